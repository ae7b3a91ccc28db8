package verdict_test

import (
	"strings"
	"testing"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/verdict"
)

const hexA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

func digestOf(t *testing.T, digit string) chart.Digest {
	t.Helper()
	digest, err := chart.ParseDigest("sha256:" + strings.Repeat(digit, 64))
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// podinfo is a HelmRelease that asks for a version of a chart, not resolved yet.
func podinfo(t *testing.T, location, version string) verdict.Subject {
	t.Helper()
	where, err := chart.ParseChart(location)
	if err != nil {
		t.Fatal(err)
	}
	selector, err := chart.ParseFluxVersion(version)
	if err != nil {
		t.Fatal(err)
	}
	return verdict.Subject{
		Kind: "HelmRelease", Namespace: "apps", Name: "podinfo", Field: "spec.chart.spec",
		Reference: chart.Reference{Location: where, Selector: selector},
	}
}

// resolved is podinfo 6.7.1, whose digest is aaa….
func resolved(t *testing.T) verdict.Subject {
	t.Helper()
	subject := podinfo(t, "oci://ghcr.io/acme/charts/podinfo", "6.7.1")
	subject.Digest = digestOf(t, "a")
	return subject
}

func signedBy(t *testing.T, subject string) evidence.Evidence {
	t.Helper()
	return evidence.New(digestOf(t, "a"), evidence.ChartSignature, evidence.Signer{Subject: subject, Issuer: "https://issuer.example"})
}
