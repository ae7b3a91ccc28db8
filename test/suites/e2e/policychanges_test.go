package e2e_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/chartgate/chartgate/test/harness"
)

// The chart of the policies in this file.
func changing() string { return releaseFrom("team", "change/app", "1.0.0") }

const (
	changeTeam = "{keyless: {issuer: 'https://token.actions.githubusercontent.com', " +
		"subject: 'https://github.com/acme/change/.github/workflows/release.yaml@refs/heads/main'}}"
	changePolicy = "{match: {charts: ['oci://ghcr.io/acme/change/*']}, require: [{anyOf: [change-team]}]}"
	byChangeTeam = "subject https://github.com/acme/change/.github/workflows/release.yaml@refs/heads/main, issuer https://token.actions.githubusercontent.com"
)

func noPolicyYet() harness.Answer {
	return harness.Denied("NoPolicy spec.chart.spec", `
HelmRelease apps/app denied (NoPolicy): no policy matches oci://ghcr.io/acme/change/app:1.0.0
  where:    spec.chart.spec
  next:     ask the platform team for a ChartPolicy that matches this chart, or use a chart that one matches`)
}

// releaseWorkflow is the subject of acme-release in config/samples.
const releaseWorkflow = "https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main"

// notBy is the denial of the chart, signed by the change team, if a policy requires that workflow.
func notBy(workflow, wants string) harness.Answer {
	return harness.Denied("IdentityNotAllowed spec.chart.spec", `
HelmRelease apps/app denied (IdentityNotAllowed): oci://ghcr.io/acme/change/app:1.0.0@sha256:<app:1.0.0> is signed, but not by an identity that the policy allows
  where:    spec.chart.spec
  policy:   `+wants+`
  found:    1 bundle, 0 legacy signatures
  found:    signed by `+byChangeTeam+`, sourceRepositoryURI https://github.com/acme/change
  next:     the workflow `+workflow+` must sign it: cosign sign --yes ghcr.io/acme/change/app@sha256:<app:1.0.0>`)
}

// TestPolicyChangesTakeEffect without a restart: written, completed, changed, deleted.
func TestPolicyChangesTakeEffect(t *testing.T) {
	w := theSite(t)
	w.given(t, repositories())
	chart := w.Object(t, changing())
	w.becomes(t, chart, noPolicyYet())

	// A policy before its identity: it can be written, with a warning, and denies until the
	// identity exists.
	rule := w.Object(t, harness.Policy("change", changePolicy))
	got := w.try(t, rule, false)
	want := harness.Admitted("until TrustedIdentity change-team exists, the policy denies every chart that it matches")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the policy without its identity (-want +got):\n%s", diff)
	}
	w.becomes(t, chart, harness.Denied("PolicyInvalid spec.chart.spec", `
HelmRelease apps/app denied (PolicyInvalid): policy change, which matches oci://ghcr.io/acme/change/app:1.0.0, is invalid: spec.require[0].anyOf[0]: TrustedIdentity "change-team" does not exist
  where:    spec.chart.spec
  policy:   change cannot be evaluated
  next:     ask the platform team to fix the policy; its Ready condition says the same`))
	w.condition(t, rule, `False Invalid: spec.require[0].anyOf[0]: TrustedIdentity "change-team" does not exist`)

	who := w.Object(t, harness.Identity("change-team", changeTeam))
	w.create(t, who)
	w.becomes(t, chart, harness.Admitted())
	w.condition(t, rule, "True Compiled: the policy is in force")
	w.condition(t, who, "True Compiled: the identity can be used")

	w.mustPatch(t, rule, "{spec: {require: [{anyOf: [acme-release]}]}}")
	w.becomes(t, chart, notBy(releaseWorkflow, "change requires "+wantsRelease))
	w.mustPatch(t, rule, "{spec: {mode: Warn}}")
	w.becomes(t, chart, harness.Admitted("chartgate would deny this (IdentityNotAllowed): oci://ghcr.io/acme/change/app:1.0.0@sha256:<app:1.0.0> is signed, but not by an identity that the policy allows; policy: change requires "+wantsRelease+"; next: the workflow "+releaseWorkflow+" must sign it: cosign sign --yes ghcr.io/acme/change/app@sha256:<app:1.0.0>"))
	w.mustPatch(t, rule, "{spec: {mode: Enforce, require: [{anyOf: [change-team]}]}}")
	w.becomes(t, chart, harness.Admitted())
	w.mustPatch(t, who, "{spec: {keyless: {subject: 'https://github.com/acme/change/.github/workflows/other.yaml@refs/heads/main'}}}")
	w.becomes(t, chart, notBy("https://github.com/acme/change/.github/workflows/other.yaml@refs/heads/main", "change requires a signature by change-team ("+strings.Replace(byChangeTeam, "release.yaml", "other.yaml", 1)+")"))

	w.remove(t, rule)
	w.becomes(t, chart, noPolicyYet())
}

// TestIdentitiesConfigMapTakesEffect without a restart, and without custom resources.
func TestIdentitiesConfigMapTakesEffect(t *testing.T) {
	w := theSite(t)
	w.given(t, repositories())
	chart, list := w.Object(t, changing()), w.Object(t, identitiesConfigMap)
	w.becomes(t, chart, noPolicyYet())
	defer w.mustPatch(t, list, "{data: {identities.yaml: '[]'}}") // not Cleanup: the context is over by then

	sample := strings.ReplaceAll(w.sample("configmap/chartgate-identities.yaml"), "charts/**", "change/**")
	w.mustPatch(t, list, sample)
	w.becomes(t, chart, notBy(releaseWorkflow, "the identities ConfigMap requires a signature by acme-release ("+byRelease+")"))
	w.mustPatch(t, list, strings.ReplaceAll(sample, "github.com/acme/charts", "github.com/acme/change"))
	w.becomes(t, chart, harness.Admitted())
	w.mustPatch(t, list, "{data: {identities.yaml: '[]'}}")
	w.becomes(t, chart, noPolicyYet())
}

// TestPolicyChangeIsAtomic: while a policy changes between two forms that both accept the chart, no
// write is denied.
func TestPolicyChangeIsAtomic(t *testing.T) {
	w := theSite(t)
	w.given(t, repositories())
	rule := w.Object(t, harness.Policy("change", strings.Replace(changePolicy, "change-team", "change-team, acme-release", 1)))
	w.create(t, w.Object(t, harness.Identity("change-team", changeTeam)))
	w.create(t, rule)
	chart := w.Object(t, changing())
	w.becomes(t, chart, harness.Admitted())

	done := make(chan error, 1)
	go func() { done <- w.goBackAndForth(t.Context(), rule) }()
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			return
		default:
		}
		if got := w.try(t, chart, true); len(got.Causes) > 0 {
			t.Errorf("denied in the middle of a change: %s", got.Message)
		}
	}
}

func (w *site) goBackAndForth(ctx context.Context, rule *unstructured.Unstructured) error {
	client, err := dynamic.NewForConfig(w.Config)
	if err != nil {
		return err
	}
	for n := range 40 {
		names := []string{`["change-team"]`, `["acme-release", "change-team"]`}[n%2]
		patch := []byte(`{"spec": {"require": [{"anyOf": ` + names + `}]}}`)
		if _, err := harness.ResourceOf(client, rule).Patch(ctx, rule.GetName(), types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
			return err
		}
	}
	return nil
}
