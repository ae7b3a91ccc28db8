package e2e_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/test/harness"
)

// TestMistakesAreNoticed when they are written: what is certainly wrong is refused, at its field, and
// what may be wrong is stored with a warning. pkg/policy has the table of all mistakes.
func TestMistakesAreNoticed(t *testing.T) {
	w := theSite(t)
	const gitlab = "{keyless: {issuer: 'https://gitlab.com', subject: 'https://gitlab.com/a/b//c.yml@refs/heads/main'}"
	for _, tc := range []struct {
		sentence, object string
		want             harness.Answer
	}{
		{
			"a waiver that has ended", harness.Policy("wrong", "{"+onlyAll+", allowUnverified: {reason: x, until: '2024-01-31'}}"),
			harness.Admitted("spec.allowUnverified.until: 2024-01-31 has passed, so the policy denies every chart that it matches; write a later day, or delete the policy"),
		},
		{
			"a folder without /**", harness.Policy("wrong", "{match: {charts: ['oci://ghcr.io/x/charts']}, require: [{anyOf: [acme-release]}]}"),
			harness.Admitted(`spec.match.charts[0]: matches only a chart that is called "charts"; for the charts below it, write oci://ghcr.io/x/charts/**`),
		},
		{"control: the charts of a folder", harness.Policy("wrong", "{match: {charts: ['oci://ghcr.io/x/charts/**']}, require: [{anyOf: [acme-release]}]}"), harness.Admitted()},
		{
			"an identity that is misspelled", harness.Policy("wrong", "{"+onlyAll+", require: [{anyOf: [acme-relaese]}]}"),
			harness.Admitted("until TrustedIdentity acme-relaese exists, the policy denies every chart that it matches",
				"spec.require[0].anyOf[0]: TrustedIdentity acme-relaese does not exist, and acme-release does; write that if it is meant"),
		},
		{
			"a waiver within a policy that denies", harness.Policy("wrong", "{match: {charts: ['oci://ghcr.io/acme/charts/x']}, allowUnverified: {reason: x, until: '2099-01-31'}}"),
			harness.Admitted("spec.match.charts[0]: the waiver has no effect on oci://ghcr.io/acme/charts/x, because policy acme-charts matches these charts too and requires a signature; exclude oci://ghcr.io/acme/charts/x there"),
		},
		{
			"an exclusion of everything", harness.Policy("wrong", "{match: {charts: ['oci://ghcr.io/x/**'], exclude: ['oci://ghcr.io/**']}, require: [{anyOf: [acme-release]}]}"),
			refused("ChartPolicy", "spec.match.exclude[0]", `Invalid value: "oci://ghcr.io/**": excludes everything that charts names, so the policy applies to no chart; exclude less, or delete the policy`),
		},
		{
			"an issuer with a slash", harness.Identity("wrong", strings.Replace(gitlab, "gitlab.com'", "gitlab.com/'", 1)+"}"),
			refused("TrustedIdentity", "spec.keyless.issuer", `Invalid value: "https://gitlab.com/": certificates spell this issuer https://gitlab.com; write that`),
		},
		{"control: an issuer without a slash", harness.Identity("wrong", gitlab+"}"), harness.Admitted()},
		{
			"a condition that yields a text", harness.Policy("wrong", "{"+onlyAll+", require: [{anyOf: [acme-release], attestation: {predicateType: 'https://acme.example/x', conditions: [{cel: signer.subject}]}}]}"),
			refused("ChartPolicy", "spec.require[0].attestation.conditions[0].cel", `Invalid value: "signer.subject": yields signer.subject, not true or false; compare it with a value`),
		},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, w.try(t, w.Object(t, tc.object), true)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestTheWayOutOfTwoPolicies: a policy denies what another one accepts. The denial names both, and its
// command works.
func TestTheWayOutOfTwoPolicies(t *testing.T) {
	w := theSite(t)
	w.given(t, repositories())
	w.create(t, w.Object(t, harness.Identity("change-team", changeTeam)))
	w.create(t, w.Object(t, harness.Policy("change", changePolicy)))
	chart := w.Object(t, changing())
	w.becomes(t, chart, harness.Admitted())

	everything := w.Object(t, harness.Policy("everything", "{match: {charts: ['oci://ghcr.io/acme/ch*ge/**']}, require: [{anyOf: [acme-release]}]}"))
	w.create(t, everything)
	const patch = `[{"op":"add","path":"/spec/match/exclude","value":["oci://ghcr.io/acme/change/*"]}]`
	want := notBy(releaseWorkflow, "everything requires "+wantsRelease)
	want.Message = strings.Replace(want.Message, "that the policy allows", "that the policy allows; policy everything denies it, although policy change accepts it", 1)
	want.Message = strings.Replace(want.Message, "next:     ", "next:     if that is not meant, ask the platform team to exclude the chart there: kubectl patch chartpolicy everything --type=json -p '"+patch+"'; otherwise ", 1)
	w.becomes(t, chart, want)
	w.condition(t, everything, w.local(`True Compiled: the policy is in force; spec.match.charts: contain the charts of policy change, which then need a signature by change-team and one by acme-release; write exclude: ["oci://ghcr.io/acme/change/*"] if one of the two is meant`))

	if _, err := w.Kubectl(t.Context(), "", "patch", "chartpolicy", "everything", "--type=json", "-p", w.local(patch)); err != nil {
		t.Fatal(err)
	}
	w.becomes(t, chart, harness.Admitted())
	w.condition(t, everything, "True Compiled: the policy is in force")
}
