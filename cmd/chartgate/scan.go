package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chartgate/chartgate/pkg/inventory"
)

// scanFlags are those of "chartgate scan".
type scanFlags struct {
	inventoryFlags
	output string
}

const scanExample = `  # What runs in the cluster of the current kubeconfig context, and who signed it?
  chartgate scan

  # What would these policies say to it?
  chartgate scan --policy policies/ -o wide

  # The same for people without a terminal, as one file
  chartgate scan -o html >scan.html

  # The same of manifests, without a cluster, for a script
  chartgate scan -f objects/ --policy policies/ -o json`

func newScanCommand() *cobra.Command {
	var f scanFlags
	cmd := &cobra.Command{
		Use:   "scan [-n NAMESPACE] [-f FILE]... [--policy PATH]...",
		Short: "Say what a cluster deploys: charts, pins, digests, signers, verdicts",
		Long: `Say what a cluster deploys, before anything is installed in it: for each HelmRelease,
HelmChart, HelmRepository, OCIRepository and Application the chart, how firmly it is pinned,
the digest that it means now and the one that is deployed, who signed it, and what the
policies say. All namespaces are scanned unless -n names one. Suspended objects are examined
as if they were resumed, because what they deployed runs on.

With -f, files are scanned and no cluster is asked. Without --policy, a cluster's own policies
judge if it has some; without any policy, scan still finds signers and pins, and judges nothing.

scan only reads. It asks the registries that the objects name, from this machine.

Exit code 0: nothing would be denied. 1: something would be denied. 2: nothing was scanned
(usage, a kubeconfig or context that does not exist, a cluster that does not answer), or
something could not be listed, which standard error names.`,
		Example: scanExample,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	f.register(cmd.Flags())
	cmd.Flags().StringVarP(&f.output, "output", "o", "table", "`format`: "+strings.Join(scanFormats(), ", "))
	return cmd
}

func (f *scanFlags) run(cmd *cobra.Command) error {
	if !slices.Contains(scanFormats(), f.output) {
		return fmt.Errorf("--output is %q, not one of %s", f.output, strings.Join(scanFormats(), ", "))
	}
	found, err := f.collect(cmd)
	if err != nil {
		return err
	}
	if err := writeInventory(cmd.OutOrStdout(), f.output, found); err != nil {
		return err
	}
	for _, p := range found.Problems {
		fmt.Fprintf(cmd.ErrOrStderr(), "not scanned: %s\n", printable(p.String()))
	}
	switch {
	case len(found.Problems) > 0:
		return errors.New("something could not be scanned, so the answer is incomplete")
	case slices.ContainsFunc(found.Rows, inventory.Row.Denied):
		return errDenied
	default:
		return nil
	}
}
