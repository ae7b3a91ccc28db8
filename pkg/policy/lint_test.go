package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/policy"
)

// mistake is a spec with what is said of it, and a relative that is honest. A finding that begins
// with "refused" is one for which the object is not stored.
type mistake struct{ sentence, wrong, says, honest string }

func (m mistake) check(t *testing.T, lint func(t *testing.T, spec string) []string) {
	t.Helper()
	t.Run(m.sentence, func(t *testing.T) {
		t.Parallel()
		if diff := cmp.Diff(m.says, strings.Join(lint(t, m.wrong), "\n")); diff != "" {
			t.Errorf("the mistake (-want +got):\n%s", diff)
		}
		if m.honest == "" {
			return
		}
		if diff := cmp.Diff("", strings.Join(lint(t, m.honest), "\n")); diff != "" {
			t.Errorf("its honest relative (-want +got):\n%s", diff)
		}
	})
}

// lines are findings as mistakes expect them. What the compiler refuses is no finding.
func lines(found policy.Findings) []string {
	var all []string
	for _, f := range found {
		text := f.String()
		if f.Certain {
			text = "refused: " + text
		}
		all = append(all, text)
	}
	return all
}

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var into T
	if err := yaml.UnmarshalStrict([]byte(text), &into); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return into
}

func lintPolicy(t *testing.T, spec string) []string {
	t.Helper()
	obj := v1alpha1.ChartPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Spec: decode[v1alpha1.ChartPolicySpec](t, spec)}
	if errs := policy.CheckPolicy(obj); len(errs) > 0 {
		t.Fatalf("it does not compile: %v", errs)
	}
	known := policy.Input{Identities: []v1alpha1.TrustedIdentity{{ObjectMeta: metav1.ObjectMeta{Name: "acme-release"}}, {ObjectMeta: metav1.ObjectMeta{Name: "vendor"}}}}
	return lines(policy.NewLinter(known, noon).Policy(obj))
}

func lintIdentity(t *testing.T, spec string) []string {
	t.Helper()
	obj := v1alpha1.TrustedIdentity{ObjectMeta: metav1.ObjectMeta{Name: "i"}, Spec: decode[v1alpha1.TrustedIdentitySpec](t, spec)}
	if errs := policy.CheckIdentity(obj); len(errs) > 0 {
		t.Fatalf("it does not compile: %v", errs)
	}
	return lines(policy.NewLinter(policy.Input{}, noon).Identity(obj))
}

func TestMistakesInWhatAPolicyMatches(t *testing.T) {
	t.Parallel()
	require := func(charts string) string {
		return "{match: {charts: [" + charts + "]}, require: [{anyOf: [acme-release]}]}"
	}
	waive := func(charts string) string {
		return "{match: {charts: [" + charts + "]}, allowUnverified: {reason: r, until: '2026-12-31'}}"
	}
	except := func(charts, exclude string) string {
		return "{match: {charts: [" + charts + "], exclude: [" + exclude + "]}, require: [{anyOf: [acme-release]}]}"
	}
	const folder = "spec.match.charts[0]: matches only a chart that is called "
	const owner = "spec.match.charts[0]: matches no chart, because "
	const nothing = "spec.match.exclude[0]: excludes nothing, because "
	const carries = "spec.match.charts[0]: denies every chart that it matches, because a chart outside of OCI registries ("
	const write = "://) cannot carry a signature; to admit these charts, write a policy with allowUnverified"
	for _, m := range []mistake{
		{"a folder of charts without /**", require("'oci://ghcr.io/acme/charts'"), folder + `"charts"; for the charts below it, write oci://ghcr.io/acme/charts/**`, require("'oci://ghcr.io/acme/charts/podinfo'")},
		{"a folder helm-charts without /**", waive("'oci://registry.acme.example/helm-charts'"), folder + `"helm-charts"; for the charts below it, write oci://registry.acme.example/helm-charts/**`, waive("'oci://registry.acme.example/helm-charts/*'")},
		{"an owner in the place of charts", require("'oci://ghcr.io/acme'"), owner + `"acme" names an owner at ghcr.io; for the charts below it, write oci://ghcr.io/acme/**`, require("'oci://registry.acme.example/podinfo'")},
		{"owners in the place of charts", require("'oci://ghcr.io/acme-*'"), owner + `"acme-*" names an owner at ghcr.io; for the charts below it, write oci://ghcr.io/acme-*/**`, require("'oci://ghcr.io/acme-*/**'")},
		{"one level of a registry of owners", require("'oci://quay.io/*'"), owner + `quay.io has charts at OWNER/CHART or deeper; write oci://quay.io/**`, require("'oci://registry.acme.example/*'")},
		{"GitHub in the place of its registry", require("'oci://github.com/acme/**'"), `spec.match.charts[0]: "github.com" is not a registry; its charts are at ghcr.io`, require("'oci://ghcr.io/acme/**'")},
		{"the website of Docker Hub", require("'oci://hub.docker.com/acme/**'"), `spec.match.charts[0]: "hub.docker.com" is not a registry; its charts are at docker.io`, require("'oci://docker.io/acme/**'")},
		{"a misspelled registry", require("'oci://gchr.io/acme/**'"), `spec.match.charts[0]: "gchr.io" is almost ghcr.io; write oci://ghcr.io/acme/** if that is meant`, require("'oci://gcr.io/acme/**'")},
		{"an OCI registry by https://", waive("'https://ghcr.io/acme/**'"), `spec.match.charts[0]: charts at ghcr.io are in an OCI registry; write oci://ghcr.io/acme/**`, waive("'https://charts.acme.example/**'")},
		{"a signature of a classic repository", require("'https://charts.acme.example/**'"), carries + "https" + write, waive("'https://charts.acme.example/**'")},
		{"a signature over plain HTTP", require("'http://charts.acme.example/**'"), carries + "http" + write,
			"{match: {charts: ['http://charts.acme.example/**']}, mode: Warn, require: [{anyOf: [acme-release]}]}"},
		{"a signature of a folder in Git", require("'git://github.com/acme/apps//charts/web'"), carries + "git" + write, waive("'git://github.com/acme/apps//charts/web'")},
		{"a signature of a bucket", require("'bucket://minio.acme.example/charts//web'"), carries + "bucket" + write, waive("'bucket://minio.acme.example/charts//web'")},
		{"the same pattern twice", require("'oci://ghcr.io/acme/**', 'oci://ghcr.io/acme/**'"), "spec.match.charts[1]: is the same as charts[0]; remove one of them", require("'oci://**', 'oci://ghcr.io/acme/**'")},
		{"the same exclusion twice", except("'oci://ghcr.io/acme/**'", "'oci://ghcr.io/acme/x', 'oci://ghcr.io/acme/x'"), "spec.match.exclude[1]: is the same as exclude[0]; remove one of them", ""},
		{"an exclusion of everything", except("'oci://ghcr.io/acme/**'", "'oci://ghcr.io/**'"), `refused: spec.match.exclude[0]: Invalid value: "oci://ghcr.io/**": excludes everything that charts names, so the policy applies to no chart; exclude less, or delete the policy`,
			except("'oci://ghcr.io/**'", "'oci://ghcr.io/acme/**'")},
		{"an exclusion of exactly the charts", except("'oci://ghcr.io/acme/podinfo'", "'oci://ghcr.io/acme/podinfo'"), `refused: spec.match.exclude[0]: Invalid value: "oci://ghcr.io/acme/podinfo": excludes everything that charts names, so the policy applies to no chart; exclude less, or delete the policy`,
			except("'oci://ghcr.io/acme/pod*'", "'oci://ghcr.io/acme/podinfo'")},
		{"an exclusion of all of a pattern", except("'oci://ghcr.io/acme/*', 'oci://quay.io/acme/**'", "'oci://quay.io/**'"), "spec.match.exclude[0]: excludes all of charts[1], oci://quay.io/acme/**; exclude less, or remove that pattern", except("'oci://ghcr.io/acme/*', 'oci://quay.io/**'", "'oci://quay.io/acme/**'")},
		{"an exclusion of nothing", except("'oci://ghcr.io/acme/**'", "'oci://ghcr.io/other/**'"), nothing + "no pattern of charts matches anything below it", except("'oci://ghcr.io/*/charts/**'", "'oci://ghcr.io/other/**'")},
		{"an exclusion of another kind of repository", except("'oci://ghcr.io/acme/**'", "'https://ghcr.io/acme/x'"), nothing + "no pattern of charts matches anything below it", ""},
		{"an exclusion below a pattern without /**", except("'oci://ghcr.io/acme/team'", "'oci://ghcr.io/acme/team/sandbox/**'"), nothing + "charts[0], oci://ghcr.io/acme/team, does not match charts below it; write oci://ghcr.io/acme/team/** there if they are meant", except("'oci://ghcr.io/acme/team/**'", "'oci://ghcr.io/acme/team/sandbox/**'")},
		{"an exclusion below one level", except("'oci://ghcr.io/acme/*'", "'oci://ghcr.io/acme/sandbox/x'"), nothing + "charts[0], oci://ghcr.io/acme/*, does not match charts below it; write oci://ghcr.io/acme/*/** there if they are meant", except("'oci://ghcr.io/acme/*'", "'oci://ghcr.io/acme/sandbox'")},
		{"a waiver for every registry", waive("'oci://**'"), "spec.match.charts[0]: the waiver admits every chart of every OCI registry without verification until 2026-12-31; name the repository of the charts that it is for", require("'oci://**'")},
		{"a waiver for hosts of any name", waive("'oci://*/charts/**'"), "spec.match.charts[0]: the waiver admits every chart of every OCI registry without verification until 2026-12-31; name the repository of the charts that it is for", waive("'oci://*.acme.example/**'")},
		{"a waiver for every server", waive("'https://**'"), "spec.match.charts[0]: the waiver admits every chart of every server without verification until 2026-12-31; name the repository of the charts that it is for", waive("'https://charts.acme.example/**'")},
		{"a waiver for every Git server", waive("'git://**'"), "spec.match.charts[0]: the waiver admits every chart of every server without verification until 2026-12-31; name the repository of the charts that it is for", waive("'git://git.acme.example/**'")},
		{"a waiver for a Git server where anyone can push", waive("'git://github.com/**'"), "spec.match.charts[0]: the waiver admits every chart of every owner at github.com, where anyone can push, without verification until 2026-12-31; name the repository of the charts that it is for", waive("'git://github.com/acme/**'")},
		{"a waiver for every bucket of a store", waive("'bucket://s3.amazonaws.com/**'"), "spec.match.charts[0]: the waiver admits every chart of every owner at s3.amazonaws.com, where anyone can push, without verification until 2026-12-31; name the repository of the charts that it is for", waive("'bucket://s3.amazonaws.com/acme-charts//**'")},
		{"a waiver for a registry where anyone can push", waive("'oci://ghcr.io/**'"), "spec.match.charts[0]: the waiver admits every chart of every owner at ghcr.io, where anyone can push, without verification until 2026-12-31; name the repository of the charts that it is for", waive("'oci://ghcr.io/acme/**'")},
	} {
		m.check(t, lintPolicy)
	}
}

func TestMistakesInWaiversAndRequirements(t *testing.T) {
	t.Parallel()
	const match = "match: {charts: ['oci://ghcr.io/acme/**']}, "
	until := func(day string) string { return "{" + match + "allowUnverified: {reason: r, until: '" + day + "'}}" }
	require := func(list string) string { return "{" + match + "require: [" + list + "]}" }
	attest := func(predicateType, conditions string) string {
		return require("{anyOf: [acme-release], attestation: {predicateType: '" + predicateType + "', conditions: [" + conditions + "]}}")
	}
	cel := func(expression string) string {
		return attest("https://acme.example/scan/v1", `{cel: '`+expression+`'}`)
	}
	const at = "spec.require[0].attestation.conditions[0].cel: "
	const typed = "spec.require[0].attestation.predicateType: "
	const exactly = "; attestations carry the type exactly"
	for _, m := range []mistake{
		{"a waiver that has ended", until("2026-06-30"), "spec.allowUnverified.until: 2026-06-30 has passed, so the policy denies every chart that it matches; write a later day, or delete the policy", until("2026-07-01")},
		{"a waiver without an end in sight", until("9999-12-31"), "spec.allowUnverified.until: 9999-12-31 is no end; write a day on which you want to look at the waiver again", until("2099-12-31")},
		{"an identity twice", require("{anyOf: [vendor, vendor]}"), "spec.require[0].anyOf[1]: is the same as anyOf[0]; remove one of them", require("{anyOf: [vendor, acme-release]}")},
		{"two signatures by one identity", require("{anyOf: [vendor]}, {anyOf: [vendor]}"), "spec.require[1]: one signature satisfies this and require[0], because each of its identities is in anyOf here; for two signatures, name identities that differ", require("{anyOf: [vendor]}, {anyOf: [acme-release]}")},
		{"a second signature that the first one is", require("{anyOf: [acme-release]}, {anyOf: [vendor, acme-release]}"), "spec.require[1]: one signature satisfies this and require[0], because each of its identities is in anyOf here; for two signatures, name identities that differ",
			require("{anyOf: [acme-release]}, {anyOf: [acme-release], attestation: {predicateType: 'https://spdx.dev/Document'}}")},
		{"an identity with its kind", require("{anyOf: [TrustedIdentity/vendor]}"), `refused: spec.require[0].anyOf[0]: Invalid value: "TrustedIdentity/vendor": no TrustedIdentity can have this name; write metadata.name of one, which has no kind, namespace or upper-case letter in it`, require("{anyOf: [vendor]}")},
		{"a misspelled identity", require("{anyOf: [acme-relaese]}"), "spec.require[0].anyOf[0]: TrustedIdentity acme-relaese does not exist, and acme-release does; write that if it is meant", require("{anyOf: [not-yet-applied]}")},
		{"a type without its scheme", attest("slsa.dev/provenance/v1", ""), typed + `"slsa.dev/provenance/v1" is almost the type https://slsa.dev/provenance/v1` + exactly, attest("https://slsa.dev/provenance/v1", "")},
		{"a type with a slash behind it", attest("https://slsa.dev/provenance/v1/", ""), typed + `"https://slsa.dev/provenance/v1/" is almost the type https://slsa.dev/provenance/v1` + exactly, ""},
		{"a type with another version's spelling", attest("https://slsa.dev/provenance/v1.0", ""), typed + `"https://slsa.dev/provenance/v1.0" is almost the type https://slsa.dev/provenance/v1` + exactly, attest("https://slsa.dev/provenance/v0.1", "")},
		{"a type in other capitals", attest("https://spdx.dev/document", ""), typed + `"https://spdx.dev/document" is almost the type https://spdx.dev/Document` + exactly, attest("https://spdx.dev/Document/v2.3", "")},
		{"a misspelled type", attest("https://cyclondx.org/bom", ""), typed + `"https://cyclondx.org/bom" is almost the type https://cyclonedx.org/bom` + exactly, attest("https://cyclonedx.example/bom", "")},
		{"a type that is no URI", attest("approved", ""), typed + `"approved" is not a URI, and every type of an attestation is one, as in https://slsa.dev/provenance/v1`, attest("urn:acme:approved", "")},
		{"a condition that is a text of the signer", cel("signer.subject"), "refused: " + at + `Invalid value: "signer.subject": yields signer.subject, not true or false; compare it with a value`, cel(`signer.subject == "x"`)},
		{"a condition that is a claim", cel("signer.claims.runnerEnvironment"), "refused: " + at + `Invalid value: "signer.claims.runnerEnvironment": yields a text, not true or false; compare it with a value`, cel("has(signer.claims.runnerEnvironment)")},
		{"a condition that is the predicate", cel("predicate"), "refused: " + at + `Invalid value: "predicate": yields the whole predicate, not true or false; compare it with a value`, cel("has(predicate.approved)")},
		{"a condition that is whatever the predicate holds", cel("predicate.approved"), at + `yields what the predicate holds there, and is true only if that is the value true, not a text or number; compare it with a value, as in "… == true"`, cel("predicate.approved == true")},
		{"a condition that never holds", cel("1 > 2"), "refused: " + at + `Invalid value: "1 > 2": is never true, whatever the predicate holds`, cel("predicate.a > 2")},
		{"a condition that asks for another type", cel(`predicateType == "https://spdx.dev/Document"`), "refused: " + at + `Invalid value: "predicateType == \"https://spdx.dev/Document\"": is never true, whatever the predicate holds`, cel(`predicateType.startsWith("https://acme") && predicate.a == 1`)},
		{"a condition that always holds", cel("true || predicate.x"), at + "is always true, whatever the predicate holds", cel("predicate.x == true || predicate.y == true")},
		{"a condition until a day that has passed", cel(`now < timestamp("2026-01-01T00:00:00Z") && predicate.x == 1`), at + "is not true at this time, whatever the predicate holds", cel(`now < timestamp("2027-01-01T00:00:00Z") && predicate.x == 1`)},
		{"a field of the old provenance", attest("https://slsa.dev/provenance/v1", `{cel: 'predicate.builder.id == "x"'}`), at + "a predicate of the type https://slsa.dev/provenance/v1 has no field builder; write predicate.runDetails.builder", attest("https://slsa.dev/provenance/v1", `{cel: 'predicate.runDetails.builder.id == "x"'}`)},
		{"a field of the new provenance", attest("https://slsa.dev/provenance/v0.2", `{cel: 'predicate.runDetails.builder.id == "x"'}`), at + "a predicate of the type https://slsa.dev/provenance/v0.2 has no field runDetails; write predicate.builder or predicate.metadata", attest("https://slsa.dev/provenance/v0.2", `{cel: 'predicate.builder.id == "x"'}`)},
	} {
		m.check(t, lintPolicy)
	}
}

func TestMistakesInKeylessIdentities(t *testing.T) {
	t.Parallel()
	const workflow = "https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main"
	const github, gitlab = "https://token.actions.githubusercontent.com", "https://gitlab.com"
	who := func(issuer, subject string) string {
		return "{keyless: {issuer: '" + issuer + "', subject: '" + subject + "'}}"
	}
	whoLike := func(issuer, expression string) string {
		return "{keyless: {issuer: '" + issuer + "', subjectRegExp: '" + expression + "'}}"
	}
	from := func(expression string) string {
		return "{keyless: {issuerRegExp: '" + expression + "', subject: '" + workflow + "'}}"
	}
	claim := func(name, value string) string {
		return "{keyless: {issuer: '" + github + "', subject: '" + workflow + "', claims: {" + name + ": '" + value + "'}}}"
	}
	const at, like = "spec.keyless.subject: ", "spec.keyless.subjectRegExp: "
	const bySignedOf = "can be the subject of no certificate by this issuer, whose subjects are "
	const workflows = bySignedOf + "workflows at a ref, as in " + workflow
	const pipelines = bySignedOf + "pipeline files at a ref, as in https://gitlab.com/acme/charts//.gitlab-ci.yml@refs/heads/main"
	const emails = bySignedOf + "email addresses, as in release@acme.example"
	const spell = `: certificates spell this issuer ` + github + `; write that`
	const strangers = `of owners of any name, so strangers can sign; write the owner's name in full, with what follows it, as in `
	for _, m := range []mistake{
		{"an issuer without a scheme", who("token.actions.githubusercontent.com", workflow), `refused: spec.keyless.issuer: Invalid value: "token.actions.githubusercontent.com"` + spell, who(github, workflow)},
		{"an issuer with a slash behind it", who(github+"/", workflow), `refused: spec.keyless.issuer: Invalid value: "` + github + `/"` + spell, who(github+"/acme-enterprise", workflow)},
		{"an issuer over plain HTTP", who("http://token.actions.githubusercontent.com", workflow), `refused: spec.keyless.issuer: Invalid value: "http://token.actions.githubusercontent.com"` + spell, ""},
		{"an issuer in other capitals", who("https://GitLab.com", "https://gitlab.com/a/b//c.yml@refs/heads/main"), `refused: spec.keyless.issuer: Invalid value: "https://GitLab.com": certificates spell this issuer https://gitlab.com; write that`, who(gitlab, "https://gitlab.com/a/b//c.yml@refs/heads/main")},
		{"the document of an issuer", who(github+"/.well-known/openid-configuration", workflow), `refused: spec.keyless.issuer: Invalid value: "` + github + `/.well-known/openid-configuration"` + spell, ""},
		{"a misspelled issuer", who("https://token.action.githubusercontent.com", workflow), "spec.keyless.issuer: is almost " + github + "; write that if it is meant", ""},
		{"GitHub in the place of the issuer of its workflows", who("https://github.com", workflow), "spec.keyless.issuer: no certificate has this issuer; write " + github + " for workflows, https://github.com/login/oauth for people", who("https://github.com/login/oauth", "jane@acme.example")},
		{"Sigstore's login in the place of the issuer", who("https://oauth2.sigstore.dev/auth", "jane@acme.example"), "spec.keyless.issuer: no certificate has this issuer; write https://accounts.google.com, https://github.com/login/oauth or https://login.microsoftonline.com, by which the signer logged in", who("https://accounts.google.com", "jane@acme.example")},
		{"another issuer without a scheme", who("sso.acme.example/realms/ci", "x@acme.example"), "spec.keyless.issuer: certificates name their issuer by its whole URL; write https://sso.acme.example/realms/ci", who("https://sso.acme.example/realms/ci", "x@acme.example")},
		{"another issuer with a slash behind it", who("https://sso.acme.example/", "x@acme.example"), "spec.keyless.issuer: most issuers have no / at the end, and certificates name them exactly; write https://sso.acme.example, unless the issuer's own document has the /", who("https://acme.eu.auth0.com/", "x@acme.example")},
		{"another issuer over plain HTTP", who("http://sso.acme.example", "x@acme.example"), "spec.keyless.issuer: issuers of OpenID Connect have URLs with https://; write https://sso.acme.example", who("corp-ldap", "jane@acme.example")},
		{"the document of another issuer", who("https://sso.acme.example/.well-known/openid-configuration", "x@acme.example"), "spec.keyless.issuer: is the document that describes the issuer; write https://sso.acme.example", ""},
		{"a star in an exact issuer", who("https://*.acme.example", "x"), `refused: spec.keyless.issuer: Invalid value: "https://*.acme.example": is compared exactly, and no certificate has this issuer; write issuerRegExp: https://.+\.acme\.example`, ""},
		{"a line break behind an issuer", "{keyless: {issuer: \"" + github + "\\n\", subject: x}}", `refused: spec.keyless.issuer: Invalid value: "` + github + `\n": has a space or line break around it, which no certificate has; remove it`, ""},
		{"a star in an exact subject", who(github, "https://github.com/acme/*"), `refused: spec.keyless.subject: Invalid value: "https://github.com/acme/*": is compared exactly, and no certificate has this subject; write subjectRegExp: https://github\.com/acme/.+`, whoLike(github, `https://github\.com/acme/.+`)},
		{"an expression in an exact subject", who(github, `^https://github\.com/acme/.*$`), `refused: spec.keyless.subject: Invalid value: "^https://github\\.com/acme/.*$": is compared exactly, and no certificate has this subject; write subjectRegExp: https://github\.com/acme/.*`, ""},
		{"a space before a subject", who(github, " "+workflow), `refused: spec.keyless.subject: Invalid value: " ` + workflow + `": has a space or line break around it, which no certificate has; remove it`, ""},
		{"the claim sub of a workflow", who(github, "repo:acme/charts:ref:refs/heads/main"), at + workflows, ""},
		{"a workflow without https://", who(github, strings.TrimPrefix(workflow, "https://")), at + workflows, ""},
		{"a workflow without a ref", who(github, "https://github.com/acme/charts/.github/workflows/release.yaml"), at + workflows, who(github, "https://github.com/acme/charts/.github/workflows/release.yml@refs/tags/v1")},
		{"a workflow at a branch's short name", who(github, "https://github.com/acme/charts/.github/workflows/release.yaml@main"), at + workflows, who(github, "https://github.com/acme/charts/.github/workflows/release.yaml@"+strings.Repeat("a1", 20))},
		{"a repository in the place of a workflow", who(github, "https://github.com/acme/charts"), at + workflows, ""},
		{"an address in the place of a workflow", who(github, "jane@acme.example"), at + workflows, ""},
		{"a workflow with Google as its issuer", who("https://accounts.google.com", workflow), at + emails, who("https://accounts.google.com", "ci@acme.iam.gserviceaccount.com")},
		{"a pipeline file with one slash", who(gitlab, "https://gitlab.com/acme/charts/.gitlab-ci.yml@refs/heads/main"), at + pipelines, who(gitlab, "https://gitlab.com/acme/charts//.gitlab-ci.yml@refs/heads/main")},
		{"the claim sub of a pipeline", who(gitlab, "project_path:acme/charts:ref_type:branch:ref:main"), at + pipelines, ""},
		{"a subject that is a path", who("https://sso.acme.example", "github.com/acme/charts"), at + "can be the subject of no certificate, which is a whole URL, as in " + workflow + ", or an email address", who("https://sso.acme.example", "ci.acme.example")},
		{"an expression without https://", whoLike(github, `github\.com/acme/.*`), like + workflows, whoLike(github, `https://github\.com/acme/.*`)},
		{"an expression with an end in the middle", whoLike(github, `https://github\.com/acme/charts$/.*`), `refused: spec.keyless.subjectRegExp: Invalid value: "https://github\\.com/acme/charts$/.*": matches no text; ^ stands for the beginning of the whole text, and $ for its end`, whoLike(github, `^https://github\.com/acme/charts/.*$`)},
		{"an expression of a repository alone", whoLike(github, `^https://github\.com/acme/charts$`), like + workflows, whoLike(github, `^https://github\.com/acme/charts/\.github/workflows/[a-z]+\.ya?ml@refs/(heads/main|tags/.+)$`)},
		{"an expression of a branch without refs/", whoLike(github, `https://github\.com/acme/charts/\.github/workflows/release\.yaml@(main|master)`), like + workflows, whoLike(github, `https://github\.com/acme/charts/\.github/workflows/release\.yaml@refs/heads/(main|master)`)},
		{"an expression that a lookalike of the owner matches", whoLike(github, `https://github\.com/acme.*`), like + "matches workflows at a ref " + strangers + `https://github\.com/acme/.+`, whoLike(github, `https://github\.com/acme(-labs)?/.*`)},
		{"an expression for everyone", whoLike(github, `.+`), like + "matches workflows at a ref " + strangers + `https://github\.com/acme/.+`,
			"{keyless: {issuer: '" + github + "', subjectRegExp: '.+', claims: {sourceRepositoryOwnerURI: 'https://github.com/acme'}}}"},
		{"an expression that a lookalike of the domain matches", whoLike("https://accounts.google.com", `.*acme\.example`), like + "matches email addresses " + strangers + `[^@]+@acme\.example`, whoLike("https://accounts.google.com", `.+@acme\.example`)},
		{"an expression with a line break", "{keyless: {issuer: '" + github + "', subjectRegExp: \"https://github.com/acme/.*\\n\"}}", `refused: spec.keyless.subjectRegExp: Invalid value: "https://github.com/acme/.*\n": has a space or line break around it, which no certificate has; remove it`, ""},
		{"an issuer's expression without https://", from(`token\.actions\.githubusercontent\.com`), "spec.keyless.issuerRegExp: matches no URL, and the issuer of a certificate is one; begin it with https://", from(`https://token\.actions\.githubusercontent\.com(/acme)?`)},
		{"an issuer's expression for everyone", from(`https://.+`), `spec.keyless.issuerRegExp: matches issuers on hosts of any name; write the host's name in full, as in https://token\.actions\.githubusercontent\.com`, from(`https://sso\.acme\.example/realms/.+`)},
		{"a repository's claim without https://", claim("sourceRepositoryURI", "acme/charts"), `spec.keyless.claims[sourceRepositoryURI]: "acme/charts" can be no value of this claim; write it as in https://github.com/acme/charts`, claim("sourceRepositoryURI", "https://github.com/acme/charts")},
		{"a repository's claim with .git", claim("sourceRepositoryURI", "https://github.com/acme/charts.git"), `spec.keyless.claims[sourceRepositoryURI]: certificates name a repository without .git; write https://github.com/acme/charts`, ""},
		{"the old claim with a URL", claim("githubWorkflowRepository", "https://github.com/acme/charts"), `spec.keyless.claims[githubWorkflowRepository]: "https://github.com/acme/charts" can be no value of this claim; write it as in acme/charts`, claim("githubWorkflowRepository", "acme/charts")},
		{"a branch's short name in a claim", claim("sourceRepositoryRef", "main"), `spec.keyless.claims[sourceRepositoryRef]: "main" can be no value of this claim; write it as in refs/heads/main`, claim("sourceRepositoryRef", "refs/heads/main")},
		{"a short commit in a claim", claim("sourceRepositoryDigest", "a1b2c3d"), `spec.keyless.claims[sourceRepositoryDigest]: "a1b2c3d" can be no value of this claim; write it as in a commit of 40 hexadecimal digits`, ""},
		{"a star in a claim", claim("sourceRepositoryURI", "https://github.com/acme/*"), `refused: spec.keyless.claims[sourceRepositoryURI]: Invalid value: "https://github.com/acme/*": claims are compared exactly, and no certificate has this value; write the whole value, without * and expressions`, claim("sourceRepositoryOwnerURI", "https://github.com/acme")},
		{"a visibility in capitals", claim("sourceRepositoryVisibilityAtSigning", "Public"), `spec.keyless.claims[sourceRepositoryVisibilityAtSigning]: "Public" can be no value of this claim; write it as in public, private or internal`, claim("sourceRepositoryVisibilityAtSigning", "public")},
		{"GitHub's own Sigstore without its trust root", "{keyless: {issuer: '" + github + "', subject: '" + workflow + "', transparencyLog: NotRequired}}", "spec.keyless.transparencyLog: without trustRoot the certificates are those of Sigstore's public-good instance, which logs each of them; write trustRoot: NAME of a Sigstore without a log, or Required",
			"{keyless: {issuer: '" + github + "', subject: '" + workflow + "', transparencyLog: NotRequired}, trustRoot: github}"},
		{"a trust root by its kind", "{keyless: {issuer: '" + github + "', subject: '" + workflow + "'}, trustRoot: TrustRoot/github}", `refused: spec.trustRoot: Invalid value: "TrustRoot/github": no TrustRoot can have this name; write metadata.name of one`, ""},
		{"a window that has not begun", "{keyless: {issuer: '" + github + "', subject: '" + workflow + "'}, validity: {notBefore: '2027-01-01T00:00:00Z'}}", "spec.validity.notBefore: 2027-01-01T00:00:00Z is still to come, and no signature counts before it",
			"{keyless: {issuer: '" + github + "', subject: '" + workflow + "'}, validity: {notBefore: '2026-01-01T00:00:00Z'}}"},
		{"a window before all signatures", "{keyless: {issuer: '" + github + "', subject: '" + workflow + "'}, validity: {notAfter: '2006-01-31T00:00:00Z'}}", "spec.validity.notAfter: no signature of a chart is as old as 2006-01-31T00:00:00Z, so none counts",
			"{keyless: {issuer: '" + github + "', subject: '" + workflow + "'}, validity: {notAfter: '2025-01-31T00:00:00Z'}}"},
	} {
		m.check(t, lintIdentity)
	}
}

func TestMistakesInKeys(t *testing.T) {
	t.Parallel()
	first, _ := newKey(t)
	second, _ := newKey(t)
	pem := func(text string) string { return "{key: {pem: " + quote(text) + "}}" }
	secret := func(name, key string) string { return "{key: {secretRef: {name: '" + name + "', key: '" + key + "'}}}" }
	kms := func(uri string) string { return "{key: {kms: '" + uri + "'}}" }
	const form = "refused: spec.key.kms: Invalid value: "
	for _, m := range []mistake{
		{"a second key that is damaged", pem(first + strings.Replace(second, "\n", " ", 1)), "refused: spec.key.pem: only 1 of 2 PEM blocks can be read, and the others are damaged; copy cosign.pub again, each line on a line of its own, from -----BEGIN PUBLIC KEY----- to -----END PUBLIC KEY-----", pem("# acme\n" + first + second)},
		{"a Secret with its namespace", secret("chartgate-system/chart-key", "cosign.pub"), `refused: spec.key.secretRef.name: Invalid value: "chartgate-system/chart-key": write the Secret's name only; it is in the namespace that chartgate is installed in`, secret("chart-key", "cosign.pub")},
		{"a Secret in capitals", secret("ChartKey", ""), `refused: spec.key.secretRef.name: Invalid value: "ChartKey": no Secret can have this name`, ""},
		{"a file in the place of an item", secret("chart-key", "keys/cosign.pub"), `refused: spec.key.secretRef.key: Invalid value: "keys/cosign.pub": no item of a Secret can have this name; it consists of letters, digits, -, _ and .`, secret("chart-key", "release_key.PEM")},
		{"the private key of a Secret", secret("chart-key", "cosign.key"), "spec.key.secretRef.key: cosign.key belongs to the private key; the public key is in cosign.pub", ""},
		{"an alias in AWS with two slashes", kms("awskms://alias/release"), form + `"awskms://alias/release": is not of the form awskms:///ID, with a key's ID or ARN, or alias/NAME or its ARN`, kms("awskms:///alias/release")},
		{"an account in AWS that is too short", kms("awskms:///arn:aws:kms:eu-west-1:1234:alias/release"), form + `"awskms:///arn:aws:kms:eu-west-1:1234:alias/release": is not of the form awskms:///ID, with a key's ID or ARN, or alias/NAME or its ARN`, kms("awskms:///arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab")},
		{"a key ring in Google Cloud", kms("gcpkms://projects/acme/locations/europe/keyRings/charts"), form + `"gcpkms://projects/acme/locations/europe/keyRings/charts": is not of the form gcpkms://projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY, with or without /cryptoKeyVersions/VERSION`, kms("gcpkms://projects/acme/locations/europe/keyRings/charts/cryptoKeys/release/cryptoKeyVersions/1")},
		{"a vault in Azure", kms("azurekms://acme.vault.azure.net"), form + `"azurekms://acme.vault.azure.net": is not of the form azurekms://VAULT.vault.azure.net/KEY or azurekms://VAULT.vault.azure.net/KEY/VERSION`, kms("azurekms://acme.vault.azure.net/release")},
		{"a path in Vault", kms("hashivault://transit/keys/release"), form + `"hashivault://transit/keys/release": is not of the form hashivault://KEY, with the key's name in the transit engine and no path`, kms("hashivault://release")},
	} {
		m.check(t, lintIdentity)
	}
}

func quote(text string) string { return `"` + strings.ReplaceAll(text, "\n", `\n`) + `"` }

// What is written into the ConfigMap is checked by the same rules, at its entry.
func TestMistakesInTheConfigMap(t *testing.T) {
	t.Parallel()
	entry := func(charts, issuer string) string {
		return "- {name: a, charts: ['" + charts + "'], keyless: {issuer: '" + issuer + "', subject: jane@acme.example}}\n"
	}
	lint := func(t *testing.T, text string) []string {
		t.Helper()
		if errs := policy.CheckConfigMap(text); len(errs) > 0 {
			t.Fatal(errs)
		}
		return lines(policy.NewLinter(policy.Input{}, noon).ConfigMap(text))
	}
	good := entry("oci://ghcr.io/acme/**", "https://accounts.google.com")
	for _, m := range []mistake{
		{"an issuer with a slash", good + strings.Replace(entry("oci://ghcr.io/acme/**", "https://accounts.google.com/"), "name: a", "name: b", 1), `refused: data[identities.yaml][1].keyless.issuer: Invalid value: "https://accounts.google.com/": certificates spell this issuer https://accounts.google.com; write that`, good},
		{"a folder without /**", entry("oci://ghcr.io/acme/charts", "https://accounts.google.com"), `data[identities.yaml][0].charts[0]: matches only a chart that is called "charts"; for the charts below it, write oci://ghcr.io/acme/charts/**`, good},
		{"a classic repository", entry("https://charts.acme.example/**", "https://accounts.google.com"), `data[identities.yaml][0].charts[0]: denies every chart that it matches, because a chart outside of OCI registries (https://) cannot carry a signature; to admit these charts, write a policy with allowUnverified`, good},
	} {
		m.check(t, lint)
	}
}

// Policies add up, so what one admits another one may deny for ever.
func TestPoliciesInEachOthersWay(t *testing.T) {
	t.Parallel()
	named := func(name, spec string) v1alpha1.ChartPolicy {
		return v1alpha1.ChartPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: decode[v1alpha1.ChartPolicySpec](t, spec)}
	}
	require := func(name, charts, more string) v1alpha1.ChartPolicy {
		return named(name, "{match: {charts: ['"+charts+"']"+more+"}, require: [{anyOf: [acme-release]}]}")
	}
	const vendored = "oci://registry.vendor.example/charts/**"
	waiver := named("legacy", "{match: {charts: ['"+vendored+"']}, allowUnverified: {reason: r, until: '2026-12-31'}}")
	folders := named("folders", "{match: {charts: ['git://github.com/acme/apps//charts/*']}, allowUnverified: {reason: r, until: '2026-12-31'}}")
	vendor := named("vendor", "{match: {charts: ['"+vendored+"']}, require: [{anyOf: [vendor-release]}]}")
	for _, c := range []struct {
		sentence   string
		obj, other v1alpha1.ChartPolicy
		says       string
	}{
		{"a waiver within a policy that denies", waiver, require("everything", "oci://**", ""), "spec.match.charts[0]: the waiver has no effect on " + vendored + ", because policy everything matches these charts too and requires a signature; exclude " + vendored + " there"},
		{"a policy that denies around a waiver", require("everything", "oci://**", ""), waiver, `spec.match.charts: contain the charts of policy legacy, whose waiver has no effect while this policy requires a signature; write exclude: ["` + vendored + `"]`},
		{"a waiver that is excluded", waiver, require("everything", "oci://**", ", exclude: ['oci://registry.vendor.example/**']"), ""},
		{"a waiver of other charts", waiver, require("acme", "oci://ghcr.io/acme/**", ""), ""},
		{"a vendor within a policy for everything", vendor, require("everything", "oci://**", ""), "spec.match.charts[0]: policy everything matches these charts too, so they need a signature by acme-release in addition; exclude " + vendored + " there if one of the two is meant"},
		{"a policy for everything around a vendor", require("everything", "oci://**", ""), vendor, `spec.match.charts: contain the charts of policy vendor, which then need a signature by vendor-release and one by acme-release; write exclude: ["` + vendored + `"] if one of the two is meant`},
		{"two policies for the same signer", require("narrow", vendored, ""), require("everything", "oci://**", ""), ""},
		{"a policy for everything in mode Warn", vendor, named("everything", "{match: {charts: ['oci://**']}, mode: Warn, require: [{anyOf: [acme-release]}]}"),
			"spec.match.charts[0]: policy everything matches these charts too, so without a signature by acme-release each of them causes a warning, and is denied once that policy enforces; exclude " + vendored + " there if that is not meant"},
		{"a policy in mode Warn around a waiver", named("everything", "{match: {charts: ['oci://**']}, mode: Warn, require: [{anyOf: [acme-release]}]}"), waiver,
			`spec.match.charts: contain the charts of policy legacy, so without a signature by acme-release each of them causes a warning, and is denied once this policy enforces; write exclude: ["` + vendored + `"] if that is not meant`},
		{"a waiver of folders in Git within a policy that denies", folders, require("everything", "git://**", ""), "spec.match.charts[0]: the waiver has no effect on git://github.com/acme/apps//charts/*, because policy everything matches these charts too and requires a signature; exclude git://github.com/acme/apps//charts/* there"},
		{"the same for all folders of the repository", folders, require("apps", "git://github.com/acme/apps/**", ""), "spec.match.charts[0]: the waiver has no effect on git://github.com/acme/apps//charts/*, because policy apps matches these charts too and requires a signature; exclude git://github.com/acme/apps//charts/* there"},
		{"a waiver of folders beside other folders", folders, require("apps", "git://github.com/acme/apps//other/**", ""), ""},
		{"a waiver of folders beside other repositories", folders, require("apps", "git://github.com/acme/apps/*", ""), ""},
		{"a waiver of a bucket within a policy that denies", named("bucket", "{match: {charts: ['bucket://minio.acme.example/charts//*']}, allowUnverified: {reason: r, until: '2026-12-31'}}"), require("everything", "bucket://minio.acme.example/**", ""),
			"spec.match.charts[0]: the waiver has no effect on bucket://minio.acme.example/charts//*, because policy everything matches these charts too and requires a signature; exclude bucket://minio.acme.example/charts//* there"},
		{"two policies for the same charts", vendor, require("review", vendored, ""), ""},
		{"the same policy as it was", waiver, named("legacy", "{match: {charts: ['oci://**']}, require: [{anyOf: [acme-release]}]}"), ""},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			t.Parallel()
			found := policy.NewLinter(policy.Input{Policies: []v1alpha1.ChartPolicy{c.other}}, noon).Policy(c.obj)
			if diff := cmp.Diff(c.says, strings.Join(lines(found), "\n")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTwoIdentitiesOfOneSigner(t *testing.T) {
	t.Parallel()
	one := v1alpha1.TrustedIdentity{ObjectMeta: metav1.ObjectMeta{Name: "one"}, Spec: decode[v1alpha1.TrustedIdentitySpec](t, "{keyless: {issuer: 'https://gitlab.com', subject: 'https://gitlab.com/a/b//c.yml@refs/heads/main'}}")}
	two := *one.DeepCopy()
	two.Name, two.Spec.Keyless.TransparencyLog = "two", v1alpha1.TransparencyLogRequired // the default
	other := *two.DeepCopy()
	other.Spec.TrustRoot = "corp"
	for want, among := range map[string]v1alpha1.TrustedIdentity{
		"spec: describes the same signer as TrustedIdentity two, so one signature satisfies both; remove one of them": two,
		"": other,
	} {
		found := policy.NewLinter(policy.Input{Identities: []v1alpha1.TrustedIdentity{one, among}}, noon).Identity(one)
		if diff := cmp.Diff(want, strings.Join(lines(found), "\n")); diff != "" {
			t.Error(diff)
		}
	}
}

// A mistake that is stored already does not stand in the way of another change; a new one does.
func TestStoredMistakesAreNoReasonToRefuse(t *testing.T) {
	t.Parallel()
	obj := v1alpha1.TrustedIdentity{Spec: decode[v1alpha1.TrustedIdentitySpec](t, "{keyless: {issuer: 'https://gitlab.com/', subject: 'https://gitlab.com/a/b//c.yml@refs/heads/main'}}")}
	lint := policy.NewLinter(policy.Input{}, time.Time{})
	before := lint.Identity(obj)
	if refused := before.Refused(); len(refused) != 1 {
		t.Fatalf("%v", refused)
	}
	if again := before.Since(before); len(again.Refused()) != 0 || len(again.Lines()) != 1 {
		t.Errorf("%v", again)
	}
	obj.Spec.Keyless.Issuer = "https://gitlab.com//"
	if changed := lint.Identity(obj).Since(before); len(changed.Refused()) != 1 {
		t.Errorf("%v", changed)
	}
}
