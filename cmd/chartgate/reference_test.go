package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write docs/reference/cli.md instead of comparing it")

// TestReference: docs/reference/cli.md is what the commands say of themselves.
func TestReference(t *testing.T) {
	t.Setenv("POD_NAMESPACE", "") // the default of a flag
	const path = "../../docs/reference/cli.md"
	want := reference(newCommand())
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("docs/reference/cli.md differs: run `make docs` (-commands +page):\n%s", diff)
	}
}

func reference(root *cobra.Command) string {
	page := &strings.Builder{}
	page.WriteString("<!-- Generated from the commands: run `make docs`. -->\n\n# Commands and flags\n\n" +
		"What `chartgate COMMAND --help` prints. [cli.md](../cli.md) explains how to use the commands, their exit codes and outputs.\n")
	for _, command := range root.Commands() {
		if command.IsAvailableCommand() {
			writeCommand(page, command)
		}
	}
	return page.String()
}

func writeCommand(page *strings.Builder, command *cobra.Command) {
	fmt.Fprintf(page, "\n## %s\n\n", command.CommandPath())
	text := command.Long
	if text == "" {
		text = command.Short + "."
	}
	fmt.Fprintf(page, "%s\n\n```text\n%s\n```\n", text, command.UseLine())
	if command.Example != "" {
		fmt.Fprintf(page, "\nFor example:\n\n```text\n%s\n```\n", strings.TrimRight(command.Example, "\n"))
	}
	if !command.HasAvailableLocalFlags() {
		return
	}
	page.WriteString("\n| Flag | Default | Meaning |\n|---|---|---|\n")
	command.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" && !f.Hidden {
			fmt.Fprintf(page, "| %s | %s | %s |\n", flagNames(f), flagDefault(f), flagMeaning(f))
		}
	})
}

func flagNames(f *pflag.Flag) string {
	names := "`--" + f.Name + "`"
	if f.Shorthand != "" {
		names = "`-" + f.Shorthand + "`, " + names
	}
	if value, _ := pflag.UnquoteUsage(f); value != "" {
		names += " " + value
	}
	return names
}

// flagDefault is empty for a flag that is off, or has no value.
func flagDefault(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "[]", "false":
		return ""
	}
	return "`" + strings.Trim(f.DefValue, "[]") + "`"
}

func flagMeaning(f *pflag.Flag) string {
	_, usage := pflag.UnquoteUsage(f)
	return strings.ReplaceAll(strings.ToUpper(usage[:1])+usage[1:], "|", `\|`)
}
