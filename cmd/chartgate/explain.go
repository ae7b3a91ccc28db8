package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/chartgate/chartgate/pkg/verdict"
)

func newExplainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [REASON]",
		Short: "Explain a reason code: its causes, and what to do",
		Long: `Explain a reason code, such as SignatureMissing in "denied (SignatureMissing)": what it means,
its causes, the most likely ones first, and what to do. It is the section of docs/reasons.md, and
needs no network. Without a code it lists all of them.

Exit code 0: the code is explained. 2: there is no such code.`,
		Example: "  chartgate explain SignatureMissing",
		Args:    cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, reason := range verdict.Reasons() {
				names = append(names, string(reason))
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return listReasons(cmd.OutOrStdout())
			}
			return explainTo(cmd.OutOrStdout(), args[0])
		},
	}
}

func listReasons(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, e := range explanations() {
		fmt.Fprintf(table, "%s\t%s\n", e.reason, e.summary())
	}
	return table.Flush()
}

// explainTo writes the explanation of a code, which people may write in any case.
func explainTo(w io.Writer, code string) error {
	for _, e := range explanations() {
		if strings.EqualFold(string(e.reason), code) {
			_, err := fmt.Fprintf(w, "%s\n\n%s\n", e.reason, plainText(e.markdown, widthOf(w)))
			return err
		}
	}
	if near := nearReasons(code); len(near) > 0 {
		return fmt.Errorf("there is no reason %q: did you mean %s?", code, strings.Join(near, " or "))
	}
	return fmt.Errorf("there is no reason %q: chartgate explain lists all reasons", code)
}

// nearReasons are the codes that someone who wrote code may have meant. cobra compares names of
// commands, and the codes become such names.
func nearReasons(code string) []string {
	names := &cobra.Command{SuggestionsMinimumDistance: 4}
	for _, reason := range verdict.Reasons() {
		names.AddCommand(&cobra.Command{Use: string(reason), Run: func(*cobra.Command, []string) {}})
	}
	return names.SuggestionsFor(code)
}

// defaultWidth is the width of lines that no terminal shows, and maxWidth that of readable ones.
const defaultWidth, maxWidth = 80, 100

// isTerminal reports whether a person reads w.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// widthOf is how wide text on w should be.
func widthOf(w io.Writer) int {
	file, ok := w.(*os.File)
	if !ok {
		return defaultWidth
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil || width <= 0 {
		return defaultWidth
	}
	return min(width, maxWidth)
}
