package main

import (
	"bytes"
	_ "embed"
	"encoding/xml"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jstemmer/go-junit-report/v2/junit"
	"github.com/owenrumney/go-sarif/v2/sarif"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// sarifSchema is the schema of SARIF 2.1.0 by OASIS, as go-sarif v3 ships it.
//
//go:embed testdata/sarif-schema-2.1.0.json
var sarifSchema []byte

// isSarif checks a text against the schema.
func isSarif(t *testing.T, text string) *sarif.Report {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(sarifSchema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("sarif.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("sarif.json")
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(value); err != nil {
		t.Errorf("it is not SARIF 2.1.0: %v\n%s", err, text)
	}
	log, err := sarif.FromString(text)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// finding is what the tests compare of a SARIF result.
type finding struct {
	Rule, Level, File string
	Line, Column      int
	Object            string
}

func sarifFindings(t *testing.T, text string) (found []finding, rules []string) {
	t.Helper()
	log := isSarif(t, text)
	if len(log.Runs) != 1 {
		t.Fatalf("%d runs", len(log.Runs))
	}
	for _, r := range log.Runs[0].Results {
		f := finding{Rule: *r.RuleID, Level: *r.Level, Object: *r.Locations[0].LogicalLocations[0].FullyQualifiedName}
		if at := r.Locations[0].PhysicalLocation; at != nil {
			f.File, f.Line, f.Column = *at.ArtifactLocation.URI, *at.Region.StartLine, *at.Region.StartColumn
		}
		if *r.Message.Text == "" || r.PartialFingerprints["chartgate/v1"] == "" {
			t.Errorf("a result has no message or no fingerprint: %+v", r)
		}
		found = append(found, f)
	}
	for _, rule := range log.Runs[0].Tool.Driver.Rules {
		rules = append(rules, rule.ID)
		if !strings.Contains(*rule.Help.Text, "What to do: ") || !strings.Contains(*rule.Help.Markdown, "Causes") || !strings.HasSuffix(*rule.HelpURI, "reasons.md#"+rule.ID) {
			t.Errorf("rule %s has no help: %+v", rule.ID, rule.Help)
		}
	}
	return found, rules
}

// mixed is a folder with charts of all kinds of verdicts.
func (s *shop) mixed(t *testing.T) string {
	t.Helper()
	return s.files(t, map[string]string{
		"policy.yaml": documentsOf(acmePolicy, releaseIdentity), "root.json": string(s.root),
		"flux/a b.yaml": documentsOf(acmeRepository, release("podinfo", ""), `
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata:
  name: unsigned
  namespace: apps
spec:
  chart:
    spec:
      chart: unsigned
      version: 1.0.0
      sourceRef: {kind: HelmRepository, name: acme}
`),
		"flux/broken.yaml": "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: broken, namespace: apps}\nspec: {}\nspec: {}\n",
		"flux/later.yaml":  strings.Replace(release("later", ""), "name: acme", "name: absent", 1),
	})
}

// TestVerifySarif: each finding points to the line of the field.
func TestVerifySarif(t *testing.T) {
	s := theShop(t)
	dir := s.mixed(t)
	t.Chdir(dir)
	got := s.command(t, "", "verify", "-f", "flux", s.local("oci://ghcr.io/acme/stranger:1.0.0"), "--policy", "policy.yaml", "--trusted-root", "root.json", "--plain-http", s.host, "--missing-source=Defer", "-o", "sarif")
	found, rules := sarifFindings(t, got.Stdout)
	want := []finding{
		{"ReferenceInvalid", "error", "flux/broken.yaml", 5, 1, "HelmRelease apps/broken"},
		{"SignatureMissing", "error", "flux/a%20b.yaml", 21, 5, "HelmRelease apps/unsigned spec.chart.spec"},
		{"SourceNotFound", "warning", "flux/later.yaml", 5, 16, "HelmRelease apps/later spec.chart.spec"},
		{"IdentityNotAllowed", "error", "", 0, 0, "Chart oci://ghcr.io/acme/stranger:1.0.0"},
	}
	if diff := cmp.Diff(want, found); diff != "" || got.Code != exitDenied {
		t.Errorf("exit code %d: %s", got.Code, diff)
	}
	if diff := cmp.Diff([]string{"ReferenceInvalid", "SignatureMissing", "SourceNotFound", "IdentityNotAllowed"}, rules); diff != "" {
		t.Error(diff)
	}
}

// TestVerifySarifOfWhatIsAdmitted: no finding, and the schema is kept.
func TestVerifySarifOfWhatIsAdmitted(t *testing.T) {
	got := theShop(t).verify(t, documentsOf(acmeRepository, release("podinfo", "")), "-o", "sarif")
	if found, rules := sarifFindings(t, got.Stdout); got.Code != exitAdmitted || len(found) > 0 || len(rules) > 0 {
		t.Errorf("%+v", got)
	}
}

func TestFileURI(t *testing.T) {
	for path, want := range map[string]string{
		"a/b.yaml": "a/b.yaml", "./a b.yaml": "a%20b.yaml", "../x.yaml": "../x.yaml", "/tmp/x y.yaml": "file:///tmp/x%20y.yaml", "-": "stdin", "a#b?.yaml": "a%23b%3F.yaml",
	} {
		if got := fileURI(path); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
}

// digestNames are what the tests write for digests, which is no XML.
var digestNames = regexp.MustCompile(`sha256:<(\w+)>`)

// TestVerifyJunit: a test suite for each file, a failure for each denial.
func TestVerifyJunit(t *testing.T) {
	s := theShop(t)
	dir := s.mixed(t)
	t.Chdir(dir)
	got := s.command(t, "", "verify", "-f", "flux", s.local("oci://ghcr.io/acme/stranger:1.0.0"), "--policy", "policy.yaml", "--trusted-root", "root.json", "--plain-http", s.host, "--missing-source=Defer", "-o", "junit")
	var suites junit.Testsuites
	if err := xml.Unmarshal([]byte(digestNames.ReplaceAllString(got.Stdout, "sha256:$1")), &suites); err != nil || got.Code != exitDenied {
		t.Fatalf("%v: %+v", err, got)
	}
	if suites.Tests != 6 || suites.Failures != 3 {
		t.Errorf("%d tests, %d failures", suites.Tests, suites.Failures)
	}
	var cases []string
	for _, suite := range suites.Suites {
		for _, c := range suite.Testcases {
			says := "passed"
			if c.Failure != nil {
				says = c.Failure.Type
				if !strings.HasPrefix(c.Failure.Data, c.Failure.Message) {
					t.Errorf("%+v", c.Failure)
				}
			}
			cases = append(cases, suite.Name+": "+c.Name+": "+says)
		}
	}
	if diff := cmp.Diff([]string{
		"flux/broken.yaml: HelmRelease apps/broken: ReferenceInvalid",
		"flux/a b.yaml: HelmRepository apps/acme spec.url: passed",
		"flux/a b.yaml: HelmRelease apps/podinfo spec.chart.spec: passed",
		"flux/a b.yaml: HelmRelease apps/unsigned spec.chart.spec: SignatureMissing",
		"flux/later.yaml: HelmRelease apps/later spec.chart.spec: passed",
		"references: Chart oci://ghcr.io/acme/stranger:1.0.0: IdentityNotAllowed",
	}, cases); diff != "" {
		t.Error(diff)
	}
}

// Text that XML cannot hold does not make the file unreadable.
func TestJunitHoldsAnyText(t *testing.T) {
	var out strings.Builder
	r := report{results: []result{{Object: objectName{Kind: "HelmRelease", Name: "x"}, Message: "a\x00b ]]> <c> & \x1b[31m\nd", Reason: "NoPolicy"}}}
	if err := r.junit(&out); err != nil {
		t.Fatal(err)
	}
	var suites junit.Testsuites
	if err := xml.Unmarshal([]byte(out.String()), &suites); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if data := suites.Suites[0].Testcases[0].Failure.Data; data != "a\uFFFDb ]]> <c> & \uFFFD[31m\nd" {
		t.Errorf("%q", data)
	}
}
