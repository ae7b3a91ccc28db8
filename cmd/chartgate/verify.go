package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/trust"
	"github.com/chartgate/chartgate/pkg/verdict"
	"github.com/chartgate/chartgate/pkg/webhook"
)

type verifyFlags struct {
	engineFlags
	policies policyFlags
	signer   signerFlags
	files    []string
	output   string
	timeout  time.Duration
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
	f.register(flags, "Deny")
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

// loadPolicies returns the policies of --policy, or the one that cosign's flags stand for.
func (f *verifyFlags) loadPolicies(ctx context.Context, cmd *cobra.Command) (fixedPolicies, error) {
	given := f.signer.given(cmd.Flags())
	switch {
	case len(given) == 0:
		return f.policies.load(ctx, cmd.InOrStdin(), cmd.ErrOrStderr())
	case cmd.Flags().Changed("policy"):
		return fixedPolicies{}, fmt.Errorf("--policy and %s exclude each other: the policies name the signers", given[0])
	default:
		return f.signer.policies(ctx, cmd.Flags())
	}
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
	for _, n := range read.notes {
		fmt.Fprintf(cmd.ErrOrStderr(), "skipped: %s: %s\n", n.where, n.why)
	}
	for _, text := range read.warnings {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s\n", text)
	}
	if !cmd.Flags().Changed("registry-config") {
		f.registryConfigs = dockerConfig()
	}
	// There is no second attempt, so the first fetch of a TUF repository may take as long as an
	// object.
	roots, err := f.roots(trust.Options{Patience: f.timeout, Default: policies.defaultRoot})
	if err != nil {
		return err
	}
	defer roots.Close()
	roots.Set(policies.trustRoots)
	engine, err := f.build(inputs{policies: policies, siblings: objects, roots: roots, registry: registry.Options{Local: true}})
	if err != nil {
		return err
	}
	login, err := f.credentials()
	if err != nil {
		return err
	}
	run := verifier{engine: engine, flags: f, stderr: cmd.ErrOrStderr(), login: login, policies: policies}
	results, skipped, err := run.verify(cmd.Context(), read, objects, references)
	if err != nil {
		return err
	}
	return report{results, skipped + len(read.notes)}.print(cmd.OutOrStdout(), f.output)
}

// verifier is the gate on this machine, and what its messages need to know of it.
type verifier struct {
	engine   *engine
	flags    *verifyFlags
	stderr   io.Writer      // for the causes of chartgate's own failures
	login    registry.Login // nil without any
	policies fixedPolicies
}

// verify returns a result for each use of a chart, and the number of objects of other kinds, which
// are skipped.
func (r verifier) verify(ctx context.Context, read reading, objects siblings, references []string) (results []result, skipped int, err error) {
	engine, f := r.engine, r.flags
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
	if len(f.files) > 0 && len(results) == 0 {
		return nil, skipped, errors.New("the files hold no object that chartgate gates (HelmRelease, HelmRepository, HelmChart, OCIRepository, Application)")
	}
	for _, text := range references {
		ctx, cancel := context.WithTimeout(ctx, f.timeout)
		results = append(results, r.result(ctx, engine.gate.Decide(ctx, questionOf(text))))
		cancel()
	}
	return results, skipped, nil
}

// result renders a verdict for the user who runs the command. There is no log, so the cause of an
// internal error goes to standard error.
func (r verifier) result(ctx context.Context, v verdict.Verdict) result {
	if v.Reason() == verdict.InternalError {
		for _, cause := range v.Causes() {
			fmt.Fprintf(r.stderr, "cause: %s: %v\n", v.Subject, cause)
		}
	}
	return toResult(v.Local(func(d verdict.Denial) string { return r.next(ctx, v.Subject.Reference.Location, d) }))
}

// next returns the next step of a denial where this machine's files and logins tell more than its
// reason; "" otherwise.
func (r verifier) next(ctx context.Context, at chart.Location, d verdict.Denial) string {
	switch d.Reason {
	case verdict.PolicyInvalid:
		named := func(place string) bool {
			_, rest, _ := strings.Cut(place, " ")
			name, _, _ := strings.Cut(rest, " in ")
			return slices.ContainsFunc(d.Policy, func(text string) bool { return strings.HasPrefix(text, name+" ") })
		}
		places := r.policies.invalid
		if slices.ContainsFunc(places, named) {
			places = slices.DeleteFunc(slices.Clone(places), func(place string) bool { return !named(place) })
		}
		if len(places) > 0 {
			return "correct " + strings.Join(places, ", ")
		}
	case verdict.IdentityNotAllowed:
		return r.policies.hint
	case verdict.RegistryUnauthorized:
		if r.login == nil || len(r.flags.registryMirrors) > 0 {
			return ""
		}
		if username, password, err := r.login(ctx, at); err == nil && username+password != "" {
			return fmt.Sprintf("the login for %[1]s was sent and is not enough: log in again (helm registry login %[1]s, docker login %[1]s), or get the right to pull this chart", at.Host())
		}
	}
	return ""
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
