// Command chartgate lets a Helm chart into a cluster only when its digest carries a
// signature that the platform team trusts.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes. Scripts depend on them: docs/cli.md.
const (
	exitAdmitted = 0
	exitDenied   = 1
	exitNotAsked = 2
)

// errDenied ends a command whose answer is "denied". It has been printed already.
var errDenied = errors.New("denied")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newCommand().ExecuteContext(ctx)
	stop()
	os.Exit(exitCode(err))
}

func exitCode(err error) int {
	switch {
	case err == nil:
		return exitAdmitted
	case errors.Is(err, errDenied):
		return exitDenied
	default:
		fmt.Fprintln(os.Stderr, "chartgate:", err)
		return exitNotAsked
	}
}

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "chartgate",
		Short:         "Admit Helm charts only with a signature that the platform team trusts",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newServeCommand(), newVerifyCommand(), newTestCommand(), newExplainCommand(), newScanCommand(), newSuggestCommand(), newGetterCommand(), newVersionCommand())
	return root
}

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "chartgate", version())
			return err
		},
	}
}

// releaseVersion is the version of a released binary. The linker sets it (hack/internal/binary).
var releaseVersion string

// version is that of the release, or what the Go toolchain recorded: the module's version for
// "go install …@v1.2.3", the commit for a build from a checkout.
func version() string {
	if releaseVersion != "" {
		return releaseVersion
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" && info.Main.Version == "(devel)" {
			return setting.Value
		}
	}
	return info.Main.Version
}
