// Command chartgate-demo shows the gate at work, without a cluster or a network.
//
// It starts a registry and an in-memory Sigstore on 127.0.0.1, pushes charts (signed by the
// trusted workflow, by a stranger, not at all, attested but not signed), starts the real TLS
// webhook with the policies of config/samples, and sends it AdmissionReviews of the manifests of
// config/samples. It fails if any verdict is not the expected one.
//
// It is a command of its own because it contains what forges signatures for tests; the product
// does not.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"text/tabwriter"

	"github.com/chartgate/chartgate/pkg/verdict"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := runDemo(ctx, os.Stdout, expectations())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chartgate-demo:", err)
		os.Exit(1)
	}
}

// expectation is one row of the demo: a manifest of config/samples and what the
// gate must say about it.
type expectation struct {
	manifest string
	reason   verdict.Reason // "" is admitted
}

func expectations() []expectation {
	return []expectation{
		{"flux/helmrepository.yaml", ""},
		{"flux/helmrelease.yaml", ""},
		{"flux/helmchart.yaml", ""},
		{"flux/ocirepository.yaml", ""},
		{"flux/helmrelease-chartref.yaml", ""},
		{"argo/application.yaml", ""},
		{"argo/application-native.yaml", ""},
		{"argo/application-sources.yaml", ""},
		{"denied/unsigned.yaml", verdict.SignatureMissing},
		{"denied/stranger.yaml", verdict.IdentityNotAllowed},
		{"denied/attested.yaml", verdict.SignatureMissing},
		{"denied/floating.yaml", verdict.NotPinned},
		{"denied/classic.yaml", verdict.NotOCI},
		{"denied/other.yaml", verdict.NoPolicy},
		{"denied/ambiguous.yaml", verdict.ReferenceInvalid},
	}
}

func runDemo(ctx context.Context, w io.Writer, wanted []expectation) error {
	world, err := newDemoWorld()
	if err != nil {
		return fmt.Errorf("build the demo's world: %w", err)
	}
	defer world.Close()
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "OBJECT\tCHART\tVERDICT\tREASON")
	var surprises []string
	var shown string
	for _, want := range wanted {
		got, err := world.ask(ctx, want.manifest)
		if err != nil {
			return fmt.Errorf("%s: %w", want.manifest, err)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", got.object, got.chart, got.verdict, got.reason)
		if got.reason != string(want.reason) || got.admitted != (want.reason == "") {
			surprises = append(surprises, fmt.Sprintf("%s: want %q, got %q: %s", want.manifest, want.reason, got.reason, got.message))
		}
		if want.reason == verdict.IdentityNotAllowed {
			shown = got.message
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nWhat a developer reads:\n\n%s\n", shown)
	for _, surprise := range surprises {
		fmt.Fprintln(w, "\nUNEXPECTED", surprise)
	}
	if len(surprises) > 0 {
		return fmt.Errorf("%d verdicts are not the expected ones", len(surprises))
	}
	fmt.Fprintf(w, "\nAll %d verdicts are the expected ones. The manifests are in config/samples.\n", len(wanted))
	return nil
}
