package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/verdict"
)

const good = `
- name: release
  charts: [oci://ghcr.io/acme/**]
  keyless: {issuer: https://issuer.example, subject: release@acme.example}
`

// A list that cannot be read as its author meant it denies every chart.
func TestTheConfigMapIsReadStrictly(t *testing.T) {
	t.Parallel()
	entry := func(fields string) string { return good + "- {" + fields + "}\n" }
	const who = "keyless: {issuer: a, subject: b}"
	for _, tc := range []struct{ name, text, because string }{
		{"a map for a list", "release: {charts: ['oci://x/**'], " + who + "}", "data[identities.yaml]: must be a list, and is a map of fields"},
		{"an empty map", "{}", "data[identities.yaml]: must be a list, and is a map of fields"},
		{"a text", "release", "data[identities.yaml]: must be a list, and is a text"},
		{"a list of texts", "- release", "must be a map of fields, and is a text"},
		{"no YAML", "- {", "data[identities.yaml]: is not YAML: "},
		{"a control character", "- \x00", "control characters are not allowed"},
		{"an entry of nothing", good + "-\n", `data[identities.yaml][1].name: Required value`},
		{"no name", entry("charts: ['oci://x/**'], " + who), `data[identities.yaml][1].name: Required value`},
		{"no charts", entry("name: a, " + who), `data[identities.yaml][1].charts: Required value`},
		{"empty charts", entry("name: a, charts: [], " + who), `data[identities.yaml][1].charts: Required value`},
		{"charts that are no list", entry("name: a, charts: 'oci://x/**', " + who), "charts: must be a list, and is a text"},
		{"a chart that is empty", entry("name: a, charts: [''], " + who), "must start with oci://, https://, http://, git:// or bucket://"},
		{"a bad pattern behind a good one", entry("name: a, charts: ['oci://x/**', 'oci://x**'], " + who), "must stand alone between slashes"},
		{"nobody", entry("name: a, charts: ['oci://x/**']"), "data[identities.yaml][1]: exactly one of keyless and key must be set"},
		{"empty nobody", entry("name: a, charts: ['oci://x/**'], keyless: {}"), "data[identities.yaml][1].keyless: exactly one of issuer"},
		{"a person and a key", entry("name: a, charts: ['oci://x/**'], key: {pem: x}, " + who), "data[identities.yaml][1]: exactly one of keyless and key must be set"},
		{"a bad key", entry("name: a, charts: ['oci://x/**'], key: {pem: x}"), "data[identities.yaml][1].key.pem: no PEM block found"},
		{"an unknown field", entry("name: a, charts: ['oci://x/**'], mode: Warn, " + who), `data[identities.yaml][1].mode: unknown field`},
		{"an unknown field of a person", entry("name: a, charts: ['oci://x/**'], keyless: {issuer: a, subject: b, trustRoot: c}"), `data[identities.yaml][1].keyless.trustRoot: unknown field`},
		{"a field in other capitals", entry("name: a, Charts: ['oci://x/**'], " + who), `data[identities.yaml][1].Charts: unknown field`},
		{"a second subject in other capitals, which the reader takes for a comment", entry("name: a, charts: ['oci://x/**'], keyless: {issuer: a, Subject: eve, subject: b}"), `data[identities.yaml][1].keyless.Subject: unknown field`},
		{"a duplicate key", entry("name: a, name: b, charts: ['oci://x/**'], " + who), `key "name" already set in map`},
		{"a duplicate key of a person", entry("name: a, charts: ['oci://x/**'], keyless: {issuer: a, subject: b, subject: c}"), `key "subject" already set in map`},
		{"a duplicate name", good + good, `data[identities.yaml][1].name: Duplicate value: "release"`},
		{"a name that is a number", entry("name: 1, charts: ['oci://x/**'], " + who), "name: must be a text, in quotes if it looks like a number or a truth value, and is a number"},
		{"a claim that YAML takes for a truth value", entry("name: a, charts: ['oci://x/**'], keyless: {issuer: a, subject: b, claims: {buildTrigger: on}}"), "keyless.claims: must be a text, in quotes if it looks like a number or a truth value, and is a truth value"},
		{"a time that is a day", entry("name: a, charts: ['oci://x/**'], validity: {notAfter: '2027-01-01'}, " + who), `data[identities.yaml][1].validity.notAfter: Invalid value: "2027-01-01": is not a time such as "2027-01-01T00:00:00Z"`},
		{"a chart in Git, which cannot be signed", entry("name: a, charts: ['oci://x/**', 'git://github.com/acme/**'], " + who), "data[identities.yaml][1].charts[1]: Invalid value: \"git://github.com/acme/**\": an identity requires a signature, which a chart in a Git repository or a bucket cannot carry"},
		{"a chart in a bucket", entry("name: a, charts: ['bucket://**'], " + who), "name it in a ChartPolicy with allowUnverified"},
		{"an unknown claim", entry("name: a, charts: ['oci://x/**'], keyless: {issuer: a, subject: b, claims: {x: z}}"), `data[identities.yaml][1].keyless.claims: Unsupported value: "x"`},
		{"two mistakes are both named", good + "- {name: a, " + who + "}\n- {charts: ['oci://x/**'], " + who + "}", `data[identities.yaml][1].charts: Required value: at least one pattern must be set; data[identities.yaml][2].name: Required value`},
		{"aliases that multiply", "- &a [x,x,x,x,x,x,x,x,x,x]\n- &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n- &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n- &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n- &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n- [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]", "excessive aliasing"},
		{"very deep", strings.Repeat("[", 100_000), "exceeded max depth"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			wantBrokenList(t, tc.text, tc.because)
		})
	}
}

// wantBrokenList: the list denies every chart, whatever the custom resources say.
func wantBrokenList(t *testing.T, text, because string) {
	t.Helper()
	errs := policy.CheckConfigMap(text)
	if len(errs) == 0 || !strings.Contains(texts(errs), because) {
		t.Fatalf("got %v, want it to say %q", errs, because)
	}
	set, report := policy.Compile(policy.Input{ConfigMap: &text})
	if report.ConfigMap == nil {
		t.Error("the report is silent")
	}
	for _, location := range []string{podinfo, "oci://x/y", "https://any.example/chart", "http://any.example/chart"} {
		wantBroken(t, set, location, because)
	}
	set, _ = policy.Compile(policy.Input{ConfigMap: &text, Identities: people("release"), Policies: []v1alpha1.ChartPolicy{requiring("acme", "release")}})
	if accepted(t, set.For(locationOf(t, podinfo)).Policies(), signature(t, signerNamed("release"))) {
		t.Error("accepted beside a good policy")
	}
}

func TestTheConfigMapsEntriesFormOnePolicyForEachChart(t *testing.T) {
	t.Parallel()
	const text = `
# Comments are fine.
- name: release
  charts: [oci://ghcr.io/acme/**, oci://docker.io/acme/*]
  keyless: {issuer: https://issuer.example, subject: release@acme.example}
- name: team
  charts: [oci://ghcr.io/acme/team/*]
  keyless:
    issuer: https://issuer.example
    subjectRegExp: (team|lead)@acme\.example
- name: legacy
  charts: [https://legacy.example/**]
  keyless: {issuer: https://issuer.example, subject: release@acme.example}
`
	input := text
	set := compile(t, policy.Input{ConfigMap: &input})
	for _, tc := range []struct {
		name, chart, signer string
		want                bool
	}{
		{"the only entry about the chart", "oci://ghcr.io/acme/podinfo", "release", true},
		{"an entry about other charts", "oci://ghcr.io/acme/podinfo", "team", false},
		{"one of two entries", "oci://ghcr.io/acme/team/x", "release", true},
		{"the other of two entries: either is enough", "oci://ghcr.io/acme/team/x", "lead", true},
		{"a stranger", "oci://ghcr.io/acme/team/x", "eve", false},
		{"the second pattern of an entry", "oci://docker.io/acme/x", "release", true},
		{"no entry", "oci://ghcr.io/other/x", "release", false},
		{"a registry that no entry names", "oci://evil.example/acme/podinfo", "release", false},
	} {
		policies := set.For(locationOf(t, tc.chart)).Policies()
		if got := accepted(t, policies, signature(t, signerNamed(tc.signer))); got != tc.want {
			t.Errorf("%s: accepted: %v", tc.name, got)
		}
		if len(policies) > 1 {
			t.Errorf("%s: %d policies", tc.name, len(policies))
		}
	}
	team := set.For(locationOf(t, "oci://ghcr.io/acme/team/x")).Policies()[0]
	const wants = `the identities ConfigMap requires a signature by release (subject release@acme.example, issuer https://issuer.example) or team (subject (team|lead)@acme\.example, issuer https://issuer.example)`
	if diff := cmp.Diff(wants, team.Wants()); diff != "" {
		t.Errorf("wants (-want +got):\n%s", diff)
	}
	if team.WarnOnly() {
		t.Error("the list only warns")
	}
	for _, tc := range []struct {
		name, location string
		version        chart.Selector
		want           verdict.Reason
	}{
		{"a range", "oci://ghcr.io/acme/team/x", version(t, "*"), verdict.NotPinned},
		{"a version", "oci://ghcr.io/acme/team/x", version(t, "1.0.0"), ""},
		{"a classic repository", "https://legacy.example/x", version(t, "1.0.0"), verdict.NotOCI},
	} {
		acceptance, denial := set.For(locationOf(t, tc.location)).Policies()[0].Admissible(subjectOf(t, tc.location, tc.version), noon)
		if acceptance != nil || (denial == nil) != (tc.want == "") || denial != nil && denial.Reason != tc.want {
			t.Errorf("%s: got %+v, %+v, want %q", tc.name, acceptance, denial, tc.want)
		}
	}
	if got := set.Covering(locationOf(t, "oci://ghcr.io/acme")); got != "the identities ConfigMap" {
		t.Errorf("the repository is covered by %q", got)
	}
	if got := set.Covering(locationOf(t, "oci://ghcr.io/other")); got != "" {
		t.Errorf("another repository is covered by %q", got)
	}
	if diff := cmp.Diff("0 policies, 3 identities in the ConfigMap", set.Summary()); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
}

func TestTheConfigMapAndTheResourcesMustBothAccept(t *testing.T) {
	t.Parallel()
	text := good
	set := compile(t, policy.Input{ConfigMap: &text, Identities: people("audit"), Policies: []v1alpha1.ChartPolicy{requiring("acme", "audit")}})
	policies := set.For(locationOf(t, podinfo)).Policies()
	release, audit := signature(t, signerNamed("release")), signature(t, signerNamed("audit"))
	got := []bool{accepted(t, policies, release), accepted(t, policies, audit), accepted(t, policies, release, audit)}
	if diff := cmp.Diff([]bool{false, false, true}, got); diff != "" {
		t.Errorf("by the one, the other, both (-want +got):\n%s", diff)
	}
}

func TestAnEmptyConfigMapAllowsNothing(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "[]", "null", "# nothing yet\n"} {
		set := compile(t, policy.Input{ConfigMap: &text})
		if got := set.For(locationOf(t, podinfo)).Policies(); got != nil || set.Covering(locationOf(t, podinfo)) != "" {
			t.Errorf("%q is about something: %q", text, names(got))
		}
	}
}

func TestAHugeConfigMap(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	n := 0
	for ; b.Len() < 1<<20; n++ { // the API server's limit
		fmt.Fprintf(&b, "- {name: team-%d, charts: ['oci://ghcr.io/team-%d/**'], keyless: {issuer: i, subject: s%d}}\n", n, n, n)
	}
	text := b.String()
	set := compile(t, policy.Input{ConfigMap: &text})
	last := fmt.Sprint(n - 1)
	e := signature(t, evidence.Signer{Issuer: "i", Subject: "s" + last})
	if !accepted(t, set.For(locationOf(t, "oci://ghcr.io/team-"+last+"/x")).Policies(), e) || accepted(t, set.For(locationOf(t, "oci://ghcr.io/team-0/x")).Policies(), e) {
		t.Errorf("not the last of %d entries", n)
	}
	text += "- {name: team-0, charts: ['oci://x/**'], keyless: {issuer: i, subject: s}}\n"
	if errs := policy.CheckConfigMap(text); !strings.Contains(texts(errs), `.name: Duplicate value: "team-0"`) {
		t.Errorf("a duplicate at the end: %v", errs)
	}
}

// FuzzConfigMap: what is refused denies every chart; what is read accepts only the subjects that it
// contains.
func FuzzConfigMap(f *testing.F) {
	pem, _ := newKey(f)
	for _, seed := range []string{
		"", "[]", "null", "{}", "- {}", "-", good, good + good, good + "---\n" + good, "- {name: a, charts: ['oci://**'], keyless: {issuerRegExp: .+, subjectRegExp: .+}}",
		"- {name: a, charts: ['https://a/**', 'oci://b/*'], keyless: {issuer: a, subject: b, claims: {buildTrigger: push}}}", "- {name: a, name: b}", "- &a {name: a}\n- *a", "\x00", "- !!binary x",
		"- name: a\n  charts: ['oci://**']\n  key:\n    transparencyLog: NotRequired\n    pem: |\n      " + strings.ReplaceAll(pem, "\n", "\n      "),
	} {
		f.Add(seed, podinfo)
	}
	f.Fuzz(func(t *testing.T, text, location string) {
		l, err := chart.ParseChart(location)
		if err != nil {
			l = locationOf(t, podinfo)
		}
		set, report := policy.Compile(policy.Input{ConfigMap: &text})
		if (report.ConfigMap == nil) != (policy.CheckConfigMap(text) == nil) {
			t.Fatal("the check and the compiler disagree")
		}
		policies := set.For(l).Policies()
		if report.ConfigMap != nil {
			if len(policies) != 1 {
				t.Fatalf("a broken list does not match %v", l)
			}
			if acceptance, denial := policies[0].Admissible(verdict.Subject{Reference: chart.Reference{Location: l}}, noon); acceptance != nil || denial == nil || denial.Reason != verdict.PolicyInvalid {
				t.Fatalf("a broken list does not deny %v: %+v", l, denial)
			}
		}
		nobody := []evidence.Evidence{signature(t, evidence.Signer{}), {}, evidence.New(chart.Digest{}, evidence.ChartSignature, evidence.Signer{})}
		stranger := signature(t, evidence.Signer{Issuer: "https://stranger.example", Subject: "stranger@stranger.example"})
		plain, _ := yaml.YAMLToJSON([]byte(text)) // without YAML's ways to hide a word
		wild := strings.Contains(string(plain), "RegExp")
		for _, p := range policies {
			if _, ok := accepts(p, digestOf(t, "a"), nobody); ok {
				t.Fatal("nobody is accepted")
			}
			if _, ok := accepts(p, digestOf(t, "a"), append(nobody, stranger)); ok && (!wild || report.ConfigMap != nil) {
				t.Fatal("a stranger is accepted")
			}
		}
	})
}

// A ConfigMap has no Ready condition, so the denial says which entry is wrong, and where.
func TestADenialByTheConfigMapNamesItAndTheEntry(t *testing.T) {
	t.Parallel()
	text := "- {name: acme, charts: ['oci://ghcr.io/acme/**'], keyless: {issuer: 'https://i.example', subject: s}}\n- {name: ops, charts: ['ghcr.io/ops/**'], keyless: {issuer: 'https://i.example', subject: s}}\n"
	set, _ := policy.Compile(policy.Input{ConfigMap: &text, ConfigMapName: "chartgate-system/chartgate-identities"})
	subject := subjectOf(t, podinfo, version(t, "1.0.0"))
	_, denial := set.For(subject.Reference.Location).Policies()[0].Admissible(subject, noon)
	want := &verdict.Denial{
		Reason: verdict.PolicyInvalid,
		Summary: `the identities ConfigMap chartgate-system/chartgate-identities is invalid, so every chart is denied: ` +
			`entry "ops": data[identities.yaml][1].charts[0]: Invalid value: "ghcr.io/ops/**": must start with oci://, https://, http://, git:// or bucket://`,
		Policy: []string{"the identities ConfigMap chartgate-system/chartgate-identities cannot be evaluated"},
		Next: "ask the platform team to fix its entries (the value identities of chartgate's Helm chart, if that wrote them): " +
			"kubectl -n chartgate-system edit configmap chartgate-identities",
	}
	if diff := cmp.Diff(want, denial); diff != "" {
		t.Error(diff)
	}
}
