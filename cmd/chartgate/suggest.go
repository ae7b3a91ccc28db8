package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/chartgate/chartgate/pkg/suggest"
)

// suggestFlags are those of "chartgate suggest".
type suggestFlags struct {
	inventoryFlags
	until string
}

// waiverLife is how long suggested waivers last: a quarter is a date that a team can plan for.
const waiverLife = 90 * 24 * time.Hour

const suggestExample = `  # Policies for what runs in the cluster of the current kubeconfig context
  chartgate suggest >policies.yaml

  # The same for manifests, with waivers until the end of the year
  chartgate suggest -f objects/ --until 2026-12-31 >policies.yaml

  # What would they say? Nothing is denied that could be suggested.
  chartgate scan --policy policies.yaml`

func newSuggestCommand() *cobra.Command {
	var f suggestFlags
	cmd := &cobra.Command{
		Use:   "suggest [-n NAMESPACE] [-f FILE]... [--policy PATH]... [--until DATE]",
		Short: "Write policies that admit exactly what a cluster deploys today",
		Long: `Write TrustedIdentities and ChartPolicies that admit exactly what a cluster, or files, deploy
today, for a person to review. It scans as chartgate scan does, with the same flags.

Whoever has signed a chart becomes a TrustedIdentity. Charts without a signature, and those that
are not in an OCI registry, get a waiver until a date. What cannot be suggested safely is in the
comments at the top, with what to do.

Exit code 0: the YAML is on standard output. 2: nothing was scanned, or something could not be
listed, so that policies for it are missing.`,
		Example: suggestExample,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	f.register(cmd.Flags())
	cmd.Flags().StringVar(&f.until, "until", "", "last `date` of the waivers, as 2027-01-31; 90 days from now if empty")
	return cmd
}

func (f *suggestFlags) run(cmd *cobra.Command) error {
	until := time.Now().Add(waiverLife)
	if f.until != "" {
		var err error
		if until, err = time.Parse(time.DateOnly, f.until); err != nil {
			return fmt.Errorf("--until is %q, not a date such as 2027-01-31", f.until)
		}
		if until.AddDate(0, 0, 1).Before(time.Now()) {
			return fmt.Errorf("--until is %s, which is over: every waiver would deny", f.until)
		}
	}
	found, err := f.collect(cmd)
	if err != nil {
		return err
	}
	if err := suggest.For(found, suggest.Options{Until: until, Keys: f.known}).Write(cmd.OutOrStdout()); err != nil {
		return err
	}
	if len(found.Problems) == 0 {
		return nil
	}
	for _, p := range found.Problems {
		fmt.Fprintf(cmd.ErrOrStderr(), "not scanned: %s\n", printable(p.String()))
	}
	return errors.New("something could not be scanned, so policies for it are missing")
}
