package main

import (
	"strings"
	"testing"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/verdict"
	"github.com/google/go-cmp/cmp"
)

// After many objects, a line with counts.
func TestVerifyCounts(t *testing.T) {
	s := theShop(t)
	files := map[string]string{"a.yaml": documentsOf(acmeRepository, release("podinfo", ""), release("unsigned", ""), "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"), "values.yaml": "a: b\n"}
	got := s.verifyFolder(t, s.files(t, files))
	lines := strings.Split(strings.TrimSpace(got.Stdout), "\n")
	if diff := cmp.Diff("2 admitted, 1 denied, 0 warned, 2 skipped", lines[len(lines)-1]); diff != "" {
		t.Error(diff)
	}
	if got := (report{results: []result{{admitted: true, Verdict: "Warned"}, {admitted: true, Verdict: "Deferred"}, {}}}).counts(); got != "1 admitted, 1 denied, 1 warned, 0 skipped" {
		t.Error(got)
	}
	delete(files, "values.yaml")
	if got := s.verifyFolder(t, s.files(t, files)); strings.Contains(got.Stdout, "skipped") {
		t.Errorf("counts of a few: %s", got.Stdout)
	}
}

// A policy or a signer that several requirements accept is named once.
func TestResultNamesOnce(t *testing.T) {
	var subject verdict.Subject
	var err error
	if subject.Digest, err = chart.ParseDigest("sha256:" + strings.Repeat("a", 64)); err != nil {
		t.Fatal(err)
	}
	one := verdict.Acceptance{Policy: "acme", Identity: "att", Waiver: "a test"}
	other := verdict.Acceptance{Policy: "other", Waiver: "a test"}
	got := toResult(verdict.Admit(subject, []verdict.Acceptance{one, one, other}))
	if got.Policy != "acme, other" || strings.Count(got.Signer, "att (") != 1 {
		t.Errorf("%+v", got)
	}
}

func TestVerifyJSON(t *testing.T) {
	got := theShop(t).verify(t, documentsOf(acmeRepository, release("podinfo", ""), release("unsigned", ""), release("paused", "suspend: true, ")), "-o", "json")
	want := ran{Code: 1, Error: "denied", Stdout: `{
  "results": [
    {
      "object": {
        "kind": "HelmRepository",
        "namespace": "apps",
        "name": "acme"
      },
      "field": "spec.url",
      "reference": "oci://ghcr.io/acme",
      "verdict": "Covered",
      "policy": "acme",
      "message": "HelmRepository apps/acme admitted"
    },
    {
      "object": {
        "kind": "HelmRelease",
        "namespace": "apps",
        "name": "podinfo"
      },
      "field": "spec.chart.spec",
      "reference": "oci://ghcr.io/acme/podinfo:1.0.0",
      "digest": "sha256:\u003cpodinfo\u003e",
      "verdict": "Verified",
      "signer": "release (subject release@acme.example, issuer https://issuer.example)",
      "policy": "acme",
      "message": "HelmRelease apps/podinfo admitted"
    },
    {
      "object": {
        "kind": "HelmRelease",
        "namespace": "apps",
        "name": "unsigned"
      },
      "field": "spec.chart.spec",
      "reference": "oci://ghcr.io/acme/unsigned:1.0.0",
      "digest": "sha256:\u003cunsigned\u003e",
      "verdict": "Denied",
      "reason": "SignatureMissing",
      "message": "HelmRelease apps/unsigned denied (SignatureMissing): oci://ghcr.io/acme/unsigned:1.0.0@sha256:\u003cunsigned\u003e has no signature\n  where:    spec.chart.spec\n  policy:   acme requires a signature by release (subject release@acme.example, issuer https://issuer.example)\n  found:    0 bundles, 0 legacy signatures\n  next:     release@acme.example must sign it: cosign sign --yes ghcr.io/acme/unsigned@sha256:\u003cunsigned\u003e"
    },
    {
      "object": {
        "kind": "HelmRelease",
        "namespace": "apps",
        "name": "paused"
      },
      "verdict": "Outside",
      "message": "HelmRelease apps/paused admitted: it makes no chart deployable"
    }
  ]
}
`}
	want.Stdout = strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(want.Stdout)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The person at a terminal is told where to read about each reason, once.
func TestHint(t *testing.T) {
	denied := func(reason verdict.Reason) result { return result{Reason: reason} }
	for _, c := range []struct {
		sentence string
		results  []result
		want     string
	}{
		{"two reasons", []result{denied("NotPinned"), denied("NoPolicy"), denied("NotPinned")}, "causes and ways out: chartgate explain NotPinned, chartgate explain NoPolicy"},
		{"a warning only", []result{{Reason: "NotPinned", admitted: true}}, ""},
		{"an admission", []result{{admitted: true}}, ""},
	} {
		if got := (report{results: c.results}).hint(); got != c.want {
			t.Errorf("%s: %q", c.sentence, got)
		}
	}
	if isTerminal(&strings.Builder{}) {
		t.Error("a text in memory is no terminal")
	}
}
