package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// getterFlags are those of "chartgate getter". Helm passes no flags on, so each of them is an
// environment variable, too.
type getterFlags struct{ localFlags }

func newGetterCommand() *cobra.Command {
	var f getterFlags
	cmd := &cobra.Command{
		Use:   "getter CERT_FILE KEY_FILE CA_FILE URL",
		Short: "Download a verified chart for helm: its plugin for chartgate:// URLs",
		Long: `Download a chart for helm, which runs this command for chartgate:// URLs if the plugin
chartgate-getter is installed (docs/helm-users.md). The chart's archive is written to standard
output if the chart is admitted, and nothing otherwise. Verdicts go to standard error.

Helm passes no flags on. So each flag is an environment variable, too: CHARTGATE_, and the flag's
name in capital letters with underscores, as CHARTGATE_POLICY for --policy. Several files are
separated as in PATH, other lists by commas. Logins are those of helm's flags, of helm registry
login and of docker login.

Exit code 0: the chart, or the index of a repository, is on standard output. 1: it is denied. 2:
nothing was examined (usage, no policies).`,
		Example: "  CHARTGATE_POLICY=policies/ helm install podinfo chartgate://ghcr.io/acme/charts/podinfo:6.7.1",
		Args:    cobra.ExactArgs(4),
		RunE: func(cmd *cobra.Command, args []string) error {
			err := setByEnvironment(cmd.Flags())
			if err == nil {
				err = f.run(cmd, asked{args[0], args[1], args[2], args[3]})
			}
			if err != nil && !errors.Is(err, errDenied) {
				return errors.New(forHelm(err.Error()))
			}
			return err
		},
	}
	flags := cmd.Flags()
	f.trustFlags.register(flags)
	f.registryFlags.register(flags)
	f.policies.register(flags)
	f.signer.register(flags)
	flags.DurationVar(&f.timeout, "timeout", 2*time.Minute, "longest `time` for a chart, download included")
	// What only manifests ask for.
	f.engineFlags.argoGitSources, f.engineFlags.missingSource, f.engineFlags.repackaged = "Deny", "Deny", "Deny"
	return cmd
}

// asked is what helm asks a getter for.
type asked struct{ certFile, keyFile, caFile, url string }

func (f *getterFlags) run(cmd *cobra.Command, a asked) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), f.timeout)
	defer cancel()
	if a.certFile != "" || a.keyFile != "" {
		return errors.New("chartgate does not log in to a registry by a client certificate (helm's --cert-file and --key-file): use a user name and password, or a token")
	}
	question := gate.Question{Object: gate.Object{Kind: "Chart"}}
	target, err := parseGet(a.url)
	if err != nil {
		refused := verdict.Deny(verdict.Subject{Kind: "Chart"}, verdict.FromError(err))
		return f.deny(cmd, local{flags: &f.localFlags, stderr: cmd.ErrOrStderr()}.render(ctx, refused))
	}
	question.Target = target
	policies, err := f.loadPolicies(ctx, cmd)
	if err != nil {
		return err
	}
	f.helmCA, f.helmLogin = a.caFile, helmLogin(hostOf(target))
	opened, done, err := f.open(cmd, policies, siblings(nil))
	if err != nil {
		return err
	}
	defer done()
	decided, content := f.get(ctx, opened.engine.gate, question)
	decided = opened.render(ctx, decided)
	if !decided.Admits() {
		return f.deny(cmd, decided)
	}
	if _, isChart := target.(gate.Chart); isChart {
		fmt.Fprintln(cmd.ErrOrStderr(), forHelm(toResult(decided).line()))
	}
	if _, err := cmd.OutOrStdout().Write(content); err != nil {
		return fmt.Errorf("hand the chart to helm: %w", err)
	}
	return nil
}

// get returns what the question asks for, if the verdict admits.
func (f *getterFlags) get(ctx context.Context, g *gate.Gate, question gate.Question) (verdict.Verdict, []byte) {
	at, isIndex := question.Target.(gate.Repository)
	if !isIndex {
		return g.Fetch(ctx, question)
	}
	decided, tags := g.Tags(ctx, question)
	if !decided.Admits() {
		return decided.Local(func(d verdict.Denial) string { return nextOfIndex(at.Location, d) }), nil
	}
	index, err := indexOf(at.Location, tags)
	if err != nil {
		return verdict.Deny(decided.Subject, verdict.FromError(err)), nil
	}
	return decided, index
}

// nextOfIndex is the next step where a repository has no tags, or no policy is about it: most people
// name the folder of their charts, as they do for other kinds of repositories.
func nextOfIndex(at chart.Location, d verdict.Denial) string {
	next := fmt.Sprintf("a chartgate:// repository is one chart: if %[1]s is a folder of charts, append the name of one, as in %[1]s/podinfo", at)
	switch d.Reason {
	case verdict.ChartNotFound:
		return next
	case verdict.NoPolicy:
		return next + "; if it is a chart, " + d.Next
	default:
		return ""
	}
}

// deny tells helm's user why there is no chart.
func (f *getterFlags) deny(cmd *cobra.Command, v verdict.Verdict) error {
	w := cmd.ErrOrStderr()
	fmt.Fprintln(w, forHelm(v.Message()))
	if hint := (report{results: []result{toResult(v)}}).hint(); hint != "" && isTerminal(w) {
		fmt.Fprintln(w, hint)
	}
	return errDenied
}

// hostOf returns the host that a target names.
func hostOf(target gate.Target) string {
	switch t := target.(type) {
	case gate.Chart:
		return t.Reference.Location.Host()
	case gate.Repository:
		return t.Location.Host()
	default:
		return ""
	}
}

// helmLogin is the login that helm's --username and --password, or those of a repository, name for
// this URL. It is sent to the URL's host and to no other; nil without a login.
func helmLogin(host string) registry.Login {
	username, password := os.Getenv("HELM_PLUGIN_USERNAME"), os.Getenv("HELM_PLUGIN_PASSWORD")
	if username == "" && password == "" {
		return nil
	}
	return func(_ context.Context, at chart.Location) (string, string, error) {
		if at.Host() != host {
			return "", "", nil
		}
		return username, password, nil
	}
}

// variableOf returns the environment variable of a flag.
func variableOf(flag string) string {
	return "CHARTGATE_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// setByEnvironment sets the flags that were not given by their environment variables. An empty
// variable is one that is not set.
func setByEnvironment(flags *pflag.FlagSet) (err error) {
	flags.VisitAll(func(flag *pflag.Flag) {
		text := os.Getenv(variableOf(flag.Name))
		if text == "" || flag.Changed {
			return
		}
		values := []string{text}
		switch {
		case flag.Name == "policy" || flag.Name == "registry-config":
			values = filepath.SplitList(text)
		case flag.Value.Type() == "stringArray":
			values = strings.Split(text, ",")
		}
		for _, value := range values {
			if failed := flags.Set(flag.Name, value); failed != nil {
				err = errors.Join(err, fmt.Errorf("--%s is %q: %w", flag.Name, value, failed))
			}
		}
	})
	return err
}

// A flag in a message, and one with a host, which is to be set.
var (
	plainHTTPFlag = regexp.MustCompile(`--plain-http ([a-z0-9.-]+(?::[0-9]+)?)`)
	namedFlag     = regexp.MustCompile(`--(?:policy|key|certificate-[a-z-]+|insecure-ignore-tlog|trusted-root|tuf-cache|registry-(?:config|ca|mirror|identity)|plain-http|context|kubeconfig|chartgate-namespace|timeout)\b`)
)

// forHelm renders a message of a command line for helm's user: flags by their environment variables,
// and charts to write by helm's scheme. Commands of cosign stay as they are.
func forHelm(message string) string {
	lines := strings.Split(message, "\n")
	for i, line := range lines {
		if strings.Contains(line, "cosign ") {
			continue
		}
		if strings.HasPrefix(line, "  next: ") {
			line = strings.ReplaceAll(line, chart.SchemeOCI+"://", helmScheme+"://")
		}
		line = plainHTTPFlag.ReplaceAllString(line, variableOf("plain-http")+"=$1")
		lines[i] = namedFlag.ReplaceAllStringFunc(line, func(flag string) string { return variableOf(strings.TrimPrefix(flag, "--")) })
	}
	return strings.Join(lines, "\n")
}
