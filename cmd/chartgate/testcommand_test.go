package main

import (
	"encoding/xml"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jstemmer/go-junit-report/v2/junit"

	"github.com/chartgate/chartgate/pkg/verdict"
)

const waiverPolicy = `
apiVersion: chartgate.dev/v1alpha1
kind: ChartPolicy
metadata: {name: old}
spec: {match: {charts: ["oci://ghcr.io/old/**"]}, allowUnverified: {reason: moving, until: "2027-01-31"}}
`

// policyTestOf is a PolicyTest with these cases.
func policyTestOf(cases ...string) string {
	text := "apiVersion: chartgate.dev/v1alpha1\nkind: PolicyTest\nmetadata: {name: acme}\npolicies: [policies]\ncases:\n"
	for i, c := range cases {
		text += fmt.Sprintf("- {name: case %d, %s}\n", i+1, c)
	}
	return text
}

// test runs "chartgate test" on files, in their directory.
func (s *shop) test(t *testing.T, files map[string]string, flags ...string) ran {
	t.Helper()
	all := map[string]string{"policies/acme.yaml": documentsOf(acmePolicy, releaseIdentity, waiverPolicy), "root.json": string(s.root)}
	for name, content := range files {
		all[name] = content
	}
	t.Chdir(s.files(t, all))
	return s.command(t, "", append([]string{"test", ".", "--trusted-root", "root.json", "--plain-http", s.host}, flags...)...)
}

// Each case with a registry and without: as expected, or how it ends.
func TestPolicyTests(t *testing.T) {
	const ours, others = "reference: 'oci://ghcr.io/acme/podinfo:1.0.0'", "reference: 'oci://ghcr.io/other/x:1.0.0'"
	const passes, fails, skipped = "passed", "FAILED", "skipped"
	inline := strings.ReplaceAll("objects: ["+`{apiVersion: source.toolkit.fluxcd.io/v1, kind: HelmRepository, metadata: {name: acme, namespace: apps}, spec: {type: oci, url: "oci://ghcr.io/acme"}},
  {apiVersion: helm.toolkit.fluxcd.io/v2, kind: HelmRelease, metadata: {name: unsigned, namespace: apps}, spec: {chart: {spec: {chart: unsigned, version: VERSION, sourceRef: {kind: HelmRepository, name: acme}}}}}]`, "\n", "")
	object := func(version string) string { return strings.Replace(inline, "VERSION", version, 1) }
	for _, c := range []struct {
		sentence, given string
		online, offline string
		finds           string // in what a failure says
	}{
		{"a signed chart", ours + ", expect: {verdict: Verified, policy: acme}", passes, skipped, ""},
		{"any admission", ours + ", expect: {verdict: Admitted}", passes, skipped, ""},
		{"an admission that is a denial", others + ", expect: {verdict: Admitted}", fails, fails, "Chart oci://ghcr.io/other/x:1.0.0: verdict: expected Admitted, found Denied"},
		{"whom policies ask", ours + ", expect: {asks: [release]}", passes, passes, ""},
		{"whom policies ask beside a verdict", ours + ", expect: {verdict: Verified, asks: [release]}", passes, skipped, ""},
		{"they ask others", ours + ", expect: {verdict: Verified, asks: [audit, ops]}", fails, fails, "asks: expected audit, ops, found release"},
		{"they ask nobody", others + ", expect: {asks: []}", passes, passes, ""},
		{"nobody is expected and somebody asked", ours + ", expect: {asks: []}", fails, fails, "asks: expected none, found release"},
		{"another policy", ours + ", expect: {policy: other}", fails, fails, "policy: expected other, found acme"},
		{"a chart without a policy", others + ", expect: {verdict: Denied, reason: NoPolicy}", passes, passes, ""},
		{"a chart without a policy that has one", ours + ", expect: {reason: NoPolicy}", fails, fails, "NoPolicy, found "},
		{"an unsigned chart", "reference: 'oci://ghcr.io/acme/unsigned:1.0.0', expect: {verdict: Denied, reason: SignatureMissing}", passes, skipped, ""},
		{"an unsigned chart that should be signed", "reference: 'oci://ghcr.io/acme/unsigned:1.0.0', expect: {verdict: Verified}", fails, skipped, "verdict: expected Verified, found Denied"},
		{"a floating tag", "reference: 'oci://ghcr.io/acme/podinfo:latest', expect: {reason: NotPinned}", passes, passes, ""},
		{"a tag that is not floating", ours + ", expect: {reason: NotPinned}", fails, fails, "NotPinned, found "},
		{"a waiver", "reference: 'oci://ghcr.io/old/x:1.0.0', at: 2027-01-31, expect: {verdict: AllowedUnverified, policy: old, asks: []}", passes, passes, ""},
		{"a waiver that has ended", "reference: 'oci://ghcr.io/old/x:1.0.0', at: '2027-02-01T00:00:00Z', expect: {verdict: Denied, reason: NoPolicy}", passes, passes, ""},
		{"a waiver that should have ended", "reference: 'oci://ghcr.io/old/x:1.0.0', at: 2027-01-31, expect: {verdict: Denied}", fails, fails, "verdict: expected Denied, found AllowedUnverified"},
		{"a waiver where policies ask", ours + ", expect: {verdict: AllowedUnverified}", fails, fails, "expected AllowedUnverified, found "},
		{"a source that should be missing", ours + ", expect: {reason: SourceNotFound}", fails, fails, "SourceNotFound, found "},
		{"an admission for now", ours + ", expect: {verdict: Deferred}", fails, fails, "expected Deferred, found "},
		{"an object among several", object("1.0.0") + ", judge: HelmRelease apps/unsigned, expect: {reason: SignatureMissing}", passes, skipped, ""},
		{"another one of them", object("1.0.0") + ", judge: HelmRepository apps/acme, expect: {verdict: Covered}", passes, passes, ""},
		{"all of them", object("1.x") + ", expect: {verdict: Denied}", fails, fails, "HelmRepository apps/acme spec.url: verdict: expected Denied, found Covered"},
		{"files", "files: [flux/release.yaml, flux/repository.yaml], judge: HelmRelease apps/podinfo, expect: {verdict: Verified}", passes, skipped, ""},
		{"a file that cannot be read", "files: [flux/broken.yaml], expect: {verdict: Denied, reason: ReferenceInvalid}", passes, passes, ""},
		{"a release that is suspended", "files: [flux/suspended.yaml], expect: {verdict: Outside}", passes, passes, ""},
		{"a source that is not given", "files: [flux/release.yaml], expect: {verdict: Denied, reason: SourceNotFound}", passes, passes, ""},
	} {
		for _, run := range []struct {
			name, ends string
			flags      []string
		}{{"online", c.online, nil}, {"offline", c.offline, []string{"--offline"}}} {
			t.Run(c.sentence+"/"+run.name, func(t *testing.T) {
				s := theShop(t)
				got := s.test(t, map[string]string{
					"test.yaml":         policyTestOf(c.given, "reference: 'oci://ghcr.io/other/beside:1.0.0', expect: {reason: NoPolicy}"),
					"flux/release.yaml": release("podinfo", ""), "flux/repository.yaml": acmeRepository, "flux/suspended.yaml": release("other", "suspend: true, "),
					"flux/broken.yaml": "kind: HelmRelease\nspec: [\n",
				}, run.flags...)
				if code := map[string]int{passes: 0, skipped: 0, fails: 1}[run.ends]; got.Code != code || !strings.Contains(got.Stdout, fmt.Sprintf("  %-8s case 1", run.ends)) || run.ends == fails && !strings.Contains(got.Stdout, c.finds) {
					t.Errorf("it should end as %q: %+v", run.ends, got)
				}
			})
		}
	}
}

// TestPolicyTestsReport: both formats, with the text of the denial and the line of the case.
func TestPolicyTestsReport(t *testing.T) {
	s := theShop(t)
	files := map[string]string{"a/test.yaml": strings.Replace(policyTestOf(
		"reference: 'oci://ghcr.io/other/x:1.0.0', expect: {verdict: Denied}", "reference: 'oci://ghcr.io/other/x:1.0.0', expect: {verdict: Verified, reason: ''}", "reference: 'oci://ghcr.io/acme/x:1.0.0', expect: {verdict: Verified}",
	), "[policies]", "[../policies]", 1)}
	got := s.test(t, files, "--offline")
	want := `a/test.yaml
  passed   case 1
  FAILED   case 2 (line 7)
           Chart oci://ghcr.io/other/x:1.0.0: verdict: expected Verified, found Denied
           | Chart denied (NoPolicy): no policy matches oci://ghcr.io/other/x:1.0.0
           |   next:     add a ChartPolicy that matches this chart, or use a chart that one matches
  skipped  case 3: it needs a registry
1 passed, 1 failed, 1 skipped
`
	next := strings.Index(got.Stdout, "           |   next:")
	if next >= 0 { // its words are tested elsewhere
		line, _, _ := strings.Cut(got.Stdout[next:], "\n")
		got.Stdout = strings.Replace(got.Stdout, line, "           |   next:     add a ChartPolicy that matches this chart, or use a chart that one matches", 1)
	}
	if diff := cmp.Diff(want, got.Stdout); diff != "" || got.Code != 1 {
		t.Errorf("exit code %d: %s", got.Code, diff)
	}
	got = s.test(t, files, "--offline", "-o", "junit")
	var suites junit.Testsuites
	if err := xml.Unmarshal([]byte(got.Stdout), &suites); err != nil || got.Code != 1 || suites.Tests != 3 || suites.Failures != 1 || suites.Skipped != 1 {
		t.Fatalf("%v: %+v", err, got)
	}
	if failure := suites.Suites[0].Testcases[1].Failure; !strings.HasPrefix(failure.Data, "a/test.yaml:7\n") || !strings.Contains(failure.Data, "Chart denied (NoPolicy)") {
		t.Errorf("%+v", failure)
	}
}

// A test that could not fail, or that tests nothing, is an error: exit code 2.
func TestPolicyTestsThatTestNothing(t *testing.T) {
	const ours = "reference: 'oci://ghcr.io/acme/podinfo:1.0.0'"
	good := policyTestOf(ours + ", expect: {asks: [release]}")
	for _, c := range []struct {
		sentence, content string
		says              string
	}{
		{"no test", acmeRepository, "no PolicyTest found in ."},
		{"no cases", strings.Split(good, "cases:")[0] + "cases: []\n", "test.yaml: document 1: cases: at least one case is needed"},
		{"no list of cases", strings.Split(good, "cases:")[0], "cases: at least one case is needed"},
		{"no expectation", policyTestOf(ours), "cases[0]: expect: verdict, reason, policy or asks must be set"},
		{"an empty expectation", policyTestOf(ours + ", expect: {}"), "cases[0]: expect: verdict, reason, policy or asks must be set"},
		{"an expectation of nothing", policyTestOf(ours + ", expect: {asks: null}"), "cases[0]: expect: verdict, reason, policy or asks must be set"},
		{"a field that does not exist", policyTestOf(ours + ", expect: {verdikt: Denied}"), "cases[0].expect.verdikt: unknown field"},
		{"a field of the test that does not exist", strings.Replace(good, "policies:", "policy:", 1), "policy: unknown field"},
		{"a field twice", strings.Replace(good, "kind:", "kind: PolicyTest\nkind:", 1), "the PolicyTest cannot be read"},
		{"a verdict that does not exist", policyTestOf(ours + ", expect: {verdict: Allowed}"), `expect.verdict: "Allowed" is not one of Admitted, Verified`},
		{"a reason that does not exist", policyTestOf(ours + ", expect: {reason: NotSigned}"), `expect.reason: there is no reason "NotSigned"`},
		{"a reason of a verdict that has none", policyTestOf(ours + ", expect: {verdict: Verified, reason: NoPolicy}"), "expect.reason: a verdict Verified has no reason"},
		{"nothing to judge", policyTestOf("expect: {verdict: Denied}"), "exactly one of reference, files and objects must be set"},
		{"two things to judge", policyTestOf(ours + ", files: [x], expect: {verdict: Denied}"), "exactly one of reference, files and objects must be set"},
		{"a file that does not exist", policyTestOf("files: [absent.yaml], expect: {verdict: Denied}"), "absent.yaml: no such file"},
		{"objects that deploy no chart", policyTestOf("objects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: x}}], expect: {verdict: Admitted}"), `case "case 1" judges nothing: it holds no object that chartgate gates`},
		{"an object that is not there", policyTestOf("files: [policies], judge: HelmRelease apps/x, expect: {verdict: Admitted}"), `case "case 1" judges nothing: it holds no object that chartgate gates`},
		{"an object that is not among others", policyTestOf(`objects: [{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {name: a, namespace: b}, spec: {source: {repoURL: "https://x.example/y.git", path: x}}}], judge: Application a/b, expect: {verdict: Admitted}`), `no object is "Application a/b"; there are Application b/a`},
		{"an object of a reference", policyTestOf(ours + ", judge: Chart x, expect: {verdict: Denied}"), "judge is for files and objects"},
		{"a name twice", strings.Replace(policyTestOf(ours+", expect: {verdict: Denied}", ours+", expect: {verdict: Denied}"), "case 2", "case 1", 1), `cases[1]: there are two cases "case 1"`},
		{"no name", strings.Replace(good, "name: case 1", "name: ''", 1), "cases[0]: name is missing"},
		{"a day that is none", policyTestOf(ours + ", at: tomorrow, expect: {verdict: Denied}"), `cases[0]: at: "tomorrow" is not a day`},
		{"no policies", strings.Replace(good, "policies: [policies]\n", "", 1), "no policies to test"},
		{"policies that do not exist", strings.Replace(good, "[policies]", "[absent]", 1), "read --policy: stat absent"},
		{"a version that does not exist", strings.Replace(good, "v1alpha1", "v1", 1), "write apiVersion: chartgate.dev/v1alpha1 for the PolicyTest"},
		{"every case is skipped", policyTestOf(ours + ", expect: {verdict: Verified}"), "every case was skipped"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			got := theShop(t).test(t, map[string]string{"test.yaml": c.content}, "--offline")
			if got.Code != exitNotAsked || !strings.Contains(got.Error, c.says) {
				t.Errorf("%+v", got)
			}
		})
	}
	if got := theShop(t).test(t, map[string]string{"test.yaml": good}, "-o", "json"); got.Code != exitNotAsked || !strings.Contains(got.Error, `--output is "json", not text or junit`) {
		t.Errorf("%+v", got)
	}
}

// TestPolicyTestsUnderOtherPolicies: --policy replaces those that the file names, as for a test of a
// cluster's own.
func TestPolicyTestsUnderOtherPolicies(t *testing.T) {
	content := policyTestOf("reference: 'oci://ghcr.io/acme/podinfo:1.0.0', expect: {policy: renamed}")
	got := theShop(t).test(t, map[string]string{"test.yaml": content, "other/p.yaml": documentsOf(strings.Replace(acmePolicy, "name: acme", "name: renamed", 1), releaseIdentity)}, "--offline", "--policy", "other")
	if got.Code != 0 {
		t.Errorf("%+v", got)
	}
}

// TestOfflineAsksNobody: no registry, and no KMS; the gate admits nothing that needs evidence.
func TestOfflineAsksNobody(t *testing.T) {
	s := theShop(t)
	kms := strings.Replace(releaseIdentity, `keyless: {issuer: "https://issuer.example", subject: release@acme.example}`, "key: {kms: 'hashivault://release'}", 1)
	t.Setenv("VAULT_ADDR", "http://127.0.0.1:1")
	files := map[string]string{
		"policies/acme.yaml": documentsOf(acmePolicy, kms),
		"test.yaml":          policyTestOf("reference: 'oci://ghcr.io/acme/podinfo:1.0.0', expect: {asks: [release]}", "reference: 'oci://ghcr.io/acme/podinfo:1.0.0', expect: {verdict: Verified}"),
	}
	before := s.requests()
	if got := s.test(t, files, "--offline"); got.Code != 0 || !strings.Contains(got.Stdout, "1 passed, 0 failed, 1 skipped") {
		t.Errorf("%+v", got)
	}
	if after := s.requests(); after != before {
		t.Errorf("the registry was sent %d requests", after-before)
	}
	if got := s.test(t, files); got.Code != 1 || !strings.Contains(got.Stdout, string(verdict.PolicyInvalid)) {
		t.Errorf("with a KMS that is down: %+v", got)
	}
}

// A registry that is down denies, which is not what a test of a denial is about: it must be named.
func TestPolicyTestsDuringAnOutage(t *testing.T) {
	s := theShop(t)
	down := strings.Replace(acmePolicy, "oci://ghcr.io/acme/**", "oci://127.0.0.1:1/**", 1)
	const chart = "reference: 'oci://127.0.0.1:1/acme/unsigned:1.0.0'"
	got := s.test(t, map[string]string{
		"policies/acme.yaml": documentsOf(down, releaseIdentity),
		"test.yaml":          policyTestOf(chart+", expect: {verdict: Denied}", chart+", expect: {verdict: Denied, reason: RegistryUnavailable}", chart+", expect: {asks: [release]}"),
	}, "--plain-http", "127.0.0.1:1")
	if got.Code != 1 || !strings.Contains(got.Stdout, "2 passed, 1 failed, 0 skipped") || !strings.Contains(got.Stdout, "it is Denied because chartgate could not find out (RegistryUnavailable)") {
		t.Errorf("%+v", got)
	}
}

// A folder of policies may hold their tests.
func TestPolicyTestsBesidePolicies(t *testing.T) {
	s := theShop(t)
	dir := s.files(t, map[string]string{"policies/acme.yaml": documentsOf(acmePolicy, releaseIdentity), "policies/tests.yaml": policyTestOf("reference: x, expect: {verdict: Denied}"), "root.json": string(s.root)})
	got := s.command(t, "", "verify", s.local("oci://ghcr.io/acme/podinfo:1.0.0"), "--policy", dir+"/policies", "--trusted-root", dir+"/root.json", "--plain-http", s.host)
	if got.Code != exitAdmitted || !strings.Contains(got.Stderr, "a PolicyTest is for chartgate test") {
		t.Errorf("%+v", got)
	}
}
