package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/verdict"
	"github.com/chartgate/chartgate/pkg/webhook"
)

type verifyFlags struct {
	localFlags
	files  []string
	output string
}

const verifyExample = `  # Would a cluster admit these manifests?
  chartgate verify -f objects.yaml --policy policies/ --trusted-root trusted_root.json

  # Would the cluster of the current kubeconfig context?
  chartgate verify -f objects.yaml --policy cluster

  # Did this workflow sign the chart? The flags are those of cosign verify.
  chartgate verify oci://ghcr.io/acme/charts/podinfo:6.7.1 \
    --certificate-identity https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main \
    --certificate-oidc-issuer https://token.actions.githubusercontent.com

  # Is this chart signed as the policies require?
  chartgate verify oci://ghcr.io/acme/charts/podinfo:6.7.1 --policy policies/ -o json`

func newVerifyCommand() *cobra.Command { return new(verifyFlags).command() }

func (f *verifyFlags) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify [-f FILE]... [REFERENCE]... {--policy PATH|cluster | --key KEY | --certificate-identity SUBJECT --certificate-oidc-issuer ISSUER}",
		Short: "Examine manifests or charts as a cluster would",
		Long: `Examine manifests or charts as a cluster would. Only --policy cluster needs a cluster, to read
its policies.

Directories are read with their subdirectories. Files that are not Kubernetes objects, such
as values.yaml or a JSON patch, are skipped and named on standard error.

Exit code 0: everything is admitted. 1: something is denied, or a document of a kind that
chartgate gates cannot be read. 2: nothing was examined (usage, a path that cannot be read,
no policies, a policy that a cluster would not store, no object that chartgate gates).

Without --registry-config, the credentials of docker login are used. Secrets that a
HelmRepository or OCIRepository names are not read.`,
		Example: verifyExample,
		RunE:    func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	flags := cmd.Flags()
	f.engineFlags.register(flags, "Deny")
	flags.StringArrayVarP(&f.files, "filename", "f", nil, "`file` or directory with manifests, - for standard input (repeatable)")
	f.policies.register(flags)
	f.signer.register(flags)
	flags.StringVarP(&f.output, "output", "o", "text", "`format`: text, json, sarif or junit")
	flags.DurationVar(&f.timeout, "timeout", 30*time.Second, "longest `time` for each object")
	return cmd
}

func (f *verifyFlags) run(cmd *cobra.Command, references []string) error {
	switch {
	case len(f.files) == 0 && len(references) == 0:
		return errors.New("nothing to verify: give -f FILE or a reference such as oci://ghcr.io/acme/charts/podinfo:6.7.1")
	case !slices.Contains(outputs(), f.output):
		return fmt.Errorf("--output is %q, not text, json, sarif or junit", f.output)
	}
	loading, cancel := context.WithTimeout(cmd.Context(), f.timeout)
	defer cancel()
	policies, err := f.loadPolicies(loading, cmd)
	if err != nil {
		return err
	}
	return f.verifyUnder(cmd, policies, references)
}

// verifyUnder examines the files and references under policies.
func (f *verifyFlags) verifyUnder(cmd *cobra.Command, policies fixedPolicies, references []string) error {
	read, err := readDocuments(cmd.InOrStdin(), f.files, gatedKinds)
	if err != nil {
		return fmt.Errorf("read -f: %w", err)
	}
	objects, err := read.toObjects()
	if err != nil {
		return fmt.Errorf("read -f: %w", err)
	}
	read.tell(cmd.ErrOrStderr())
	opened, done, err := f.open(cmd, policies, objects)
	if err != nil {
		return err
	}
	defer done()
	run := verifier{local: opened, fromFiles: len(f.files) > 0}
	results, skipped, err := run.verify(cmd.Context(), read, objects, references)
	if err != nil {
		return err
	}
	return report{results, skipped + len(read.notes)}.print(cmd.OutOrStdout(), f.output)
}

// verifier is the gate on this machine, for manifests and references.
type verifier struct {
	local
	// fromFiles is set where manifests were given: at least one must be of a gated kind then.
	fromFiles bool
}

// verify returns a result for each use of a chart, and the number of objects of other kinds, which
// are skipped.
func (r verifier) verify(ctx context.Context, read reading, objects siblings, references []string) (results []result, skipped int, err error) {
	engine := r.engine
	for _, b := range read.broken {
		result := r.result(ctx, b.verdict())
		result.at = b.at
		results = append(results, result)
	}
	for i, object := range objects {
		if !engine.extractor.Gates(object.ID) {
			skipped++
			continue
		}
		for _, result := range r.verifyObject(ctx, object) {
			result.at = read.places[i]
			results = append(results, result)
		}
	}
	if r.fromFiles && len(results) == 0 {
		return nil, skipped, errors.New("the files hold no object that chartgate gates (HelmRelease, HelmRepository, HelmChart, OCIRepository, Application)")
	}
	for _, text := range references {
		ctx, cancel := context.WithTimeout(ctx, r.flags.timeout)
		results = append(results, r.result(ctx, engine.gate.Decide(ctx, questionOf(text))))
		cancel()
	}
	return results, skipped, nil
}

func (r verifier) verifyObject(ctx context.Context, object source.Object) []result {
	engine := r.engine
	ctx, cancel := context.WithTimeout(ctx, r.flags.timeout)
	defer cancel()
	changes, err := engine.extractor.Changes(source.Write{Object: object})
	if err != nil {
		subject := verdict.Subject{Kind: object.Kind, Namespace: object.Namespace, Name: object.Name}
		return []result{r.result(ctx, verdict.Deny(subject, verdict.FromError(err)))}
	}
	if changes.Empty() {
		return []result{noChart(object.ID)}
	}
	var results []result
	for _, v := range engine.gate.DecideAll(ctx, webhook.Questions(engine.extractor.Uses(ctx, changes), gate.Asker{})) {
		results = append(results, r.result(ctx, v))
	}
	return results
}

// questionOf asks about a chart that no object uses.
func questionOf(text string) gate.Question {
	question := gate.Question{Object: gate.Object{Kind: "Chart"}}
	reference, err := chart.ParseReference(text)
	if err != nil {
		question.Target = gate.Unresolved{Err: err, Reference: reference}
		return question
	}
	question.Target = gate.Chart{Reference: reference}
	return question
}
