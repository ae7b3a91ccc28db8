package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/harness"
)

// What the workflow of acme writes about its charts.
const (
	provenance = `{"buildDefinition": {"buildType": "https://actions.github.io/buildtypes/workflow/v1",
  "externalParameters": {"workflow": {"repository": "https://github.com/acme/charts", "ref": "refs/heads/main"}}},
  "runDetails": {"builder": {"id": "https://github.com/actions/runner"}}}`
	billOfMaterials = `{"bomFormat": "CycloneDX", "specVersion": "1.5", "metadata": {"component": {"type": "application", "name": "podinfo"}}}`
)

// scanned is a vulnerability report of some hours ago.
func scanned(age time.Duration, findings string) string {
	at := time.Now().UTC().Add(-age).Format(time.RFC3339)
	return fmt.Sprintf(`{"invocation": {"uri": "https://ci.acme.example/1"}, "scanner": {"uri": "pkg:trivy", "version": "0.60", "db": {"uri": "", "version": ""},
  "result": {"findings": %s}}, "metadata": {"scanStartedOn": %q, "scanFinishedOn": %q}}`, findings, at, at)
}

// demanding is a policy that requires all of it, by the same identity that signs.
const demanding = `{match: {charts: ["oci://ghcr.io/acme/%[1]s/*"]}, mode: %[2]s, require: [
  {anyOf: [acme-breakglass]},
  {anyOf: [acme-breakglass], attestation: {predicateType: "https://slsa.dev/provenance/v1", conditions: [
    {cel: "predicate.runDetails.builder.id == 'https://github.com/actions/runner'", message: "built by something else than GitHub's runner"},
    {cel: "predicate.buildDefinition.externalParameters.workflow.repository == 'https://github.com/acme/charts'"}]}},
  {anyOf: [acme-breakglass], attestation: {predicateType: "https://cyclonedx.org/bom", conditions: [
    {cel: "predicate.metadata.component.name == 'podinfo'", message: "the SBOM is of something else"}]}},
  {anyOf: [acme-breakglass], attestation: {predicateType: "https://cosign.sigstore.dev/attestation/vuln/v1", conditions: [
    {cel: "now - timestamp(predicate.metadata.scanFinishedOn) < duration('168h')", message: "the scan is older than a week"},
    {cel: "predicate.scanner.result.findings.all(f, f.severity != 'CRITICAL')", message: "a critical vulnerability was found"}]}}]}`

// attest attests with the command line of cosign 3 or 2: a bundle, or a legacy attestation.
func attest(tool, owner, kind, predicate string) signature {
	flags := []string{"--tlog-upload=false"}
	if tool == "cosign3" {
		flags = append(flags, "--use-signing-config=false", "--new-bundle-format=true")
	}
	return func(ctx context.Context, s *shop, host, repository, digest string) error {
		args := append([]string{"attest", "--key", s.keys[owner].private, "--type", kind, "--predicate", "/dev/stdin", "--allow-http-registry", "-y"}, flags...)
		_, err := cluster.Command{
			Name: s.tools[tool], Args: append(args, s.local(host+"/"+repository+"@"+digest)), Env: s.env(), Stdin: predicate,
		}.Run(ctx)
		return err
	}
}

// released is all that the workflow attaches. One part can be replaced by name, or left out with
// nil.
func released(parts ...any) []signature {
	all := map[string]signature{
		"signature":  cosign3("acme"),
		"provenance": attest("cosign3", "acme", "slsaprovenance1", provenance),
		"SBOM":       attest("cosign3", "acme", "cyclonedx", billOfMaterials),
		"scan":       attest("cosign3", "acme", "vuln", scanned(time.Hour, "[]")),
	}
	for i := 0; i < len(parts); i += 2 {
		replacement, _ := parts[i+1].(signature)
		all[parts[i].(string)] = replacement
	}
	var list []signature
	for _, name := range []string{"signature", "provenance", "SBOM", "scan"} {
		if all[name] != nil {
			list = append(list, all[name])
		}
	}
	return list
}

// both attaches two in a row.
func both(first, second signature) signature {
	return func(ctx context.Context, s *shop, host, repository, digest string) error {
		if err := first(ctx, s, host, repository, digest); err != nil {
			return err
		}
		return second(ctx, s, host, repository, digest)
	}
}

// publishSeed pushes charts, signatures and attestations, a few at a time.
func publishSeed(t *testing.T, s *shop, items ...item) {
	t.Helper()
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(3)
	digests := make([]string, len(items))
	for i, item := range items {
		group.Go(func() (err error) {
			digests[i], err = s.publish(ctx, item)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for i, item := range items {
		s.published[item.place] = digests[i]
	}
}

const (
	slsaType = "https://slsa.dev/provenance/v1"
	bomType  = "https://cyclonedx.org/bom"
	vulnType = "https://cosign.sigstore.dev/attestation/vuln/v1"

	byAcme    = "key sha256:<key of acme>"
	seedWants = "seed requires a signature by " + wantsBreakglass + ", and an attestation " + slsaType + " by " + wantsBreakglass +
		", and an attestation " + bomType + " by " + wantsBreakglass + ", and an attestation " + vulnType + " by " + wantsBreakglass
)

// seedDenied is the answer to podinfo of that version.
func seedDenied(reason, version, summary, next string, found ...string) harness.Answer {
	return harness.Denied(reason+" spec.chart.spec", fmt.Sprintf(`
HelmRelease apps/app denied (%s): oci://ghcr.io/acme/seed/podinfo:%s@sha256:<podinfo:%[2]s> %s
  where:    spec.chart.spec
  policy:   %s
  found:    %s
  next:     %s`, reason, version, summary, seedWants, strings.Join(found, "\n  found:    "), next))
}

// rejected is the answer if everything exists and is signed, and one condition fails.
func rejected(version, predicateType, why string) harness.Answer {
	return seedDenied("AttestationRejected", version,
		"has no attestation "+predicateType+" that satisfies the policy: "+why+" (in the predicate by "+byAcme+")",
		"fix what the condition names, attest again and apply again, or ask the platform team to change the condition",
		"4 bundles, 0 legacy signatures", "signed by "+byAcme, attestedBy(slsaType, bomType, vulnType))
}

// missing is the answer if one attestation does not exist, or is not by the right signer.
func missing(version, predicateType string, found ...string) harness.Answer {
	return seedDenied("AttestationMissing", version, "has no attestation "+predicateType+" by an identity that the policy allows",
		fmt.Sprintf("the holder of acme-breakglass must attest it: cosign attest --yes --key cosign.key --use-signing-config=false --tlog-upload=false --type %s --predicate FILE ghcr.io/acme/seed/podinfo@sha256:<podinfo:%s>", predicateType, version), found...)
}

// attestedBy lists attestations in the order in which they were attached; chartgate reads them from
// the newest on.
func attestedBy(predicateTypes ...string) string {
	slices.Reverse(predicateTypes)
	return "attested: " + strings.Join(predicateTypes, " by "+byAcme+", ") + " by " + byAcme
}

// TestRequiredAttestations: a chart is pushed by helm, signed, and its provenance, SBOM and scan
// are attached by cosign 3. The policy requires all of them, and the denial says which one is
// missing or fails a condition.
func TestRequiredAttestations(t *testing.T) {
	w := theSite(t)
	w.given(t, repositories())
	provenanceOf := func(old, new string) signature {
		return attest("cosign3", "acme", "slsaprovenance1", strings.Replace(provenance, old, new, 1))
	}
	type seed struct {
		sentence, version string
		signed            []signature
		want              harness.Answer
	}
	seeds := []seed{
		{"everything is there", "1.0.0", released(), harness.Admitted()},
		{"attested with cosign 2", "1.0.1", released(
			"provenance", attest("cosign2", "acme", "slsaprovenance1", provenance),
			"SBOM", attest("cosign2", "acme", "cyclonedx", billOfMaterials),
			"scan", attest("cosign2", "acme", "vuln", scanned(time.Hour, "[]"))), harness.Admitted()},
		{"a good provenance beside a bad one", "1.0.2", released("provenance", both(
			provenanceOf("actions/runner", "evil/runner"), attest("cosign3", "acme", "slsaprovenance1", provenance))), harness.Admitted()},
		{"attestations by a stranger beside the good ones", "1.0.3", released("SBOM", both(
			attest("cosign3", "mallory", "cyclonedx", "{}"), attest("cosign3", "acme", "cyclonedx", billOfMaterials))), harness.Admitted()},

		{"no provenance", "1.1.0", released("provenance", nil), missing("1.1.0", slsaType,
			"3 bundles, 0 legacy signatures", "signed by "+byAcme, attestedBy(bomType, vulnType))},
		{"no SBOM", "1.1.1", released("SBOM", nil), missing("1.1.1", bomType,
			"3 bundles, 0 legacy signatures", "signed by "+byAcme, attestedBy(slsaType, vulnType))},
		{"no signature, which attestations do not replace", "1.1.2", released("signature", nil), seedDenied(
			"SignatureMissing", "1.1.2", "has no signature", "the holder of acme-breakglass must sign it: cosign sign --yes --key cosign.key --use-signing-config=false --tlog-upload=false ghcr.io/acme/seed/podinfo@sha256:<podinfo:1.1.2>",
			"3 bundles, 0 legacy signatures", "attested, not signed, by "+byAcme)},
		{"an SBOM by a stranger", "1.1.3", released("SBOM", attest("cosign3", "mallory", "cyclonedx", billOfMaterials)), missing("1.1.3", bomType,
			"4 bundles, 0 legacy signatures", "signed by "+byAcme, attestedBy(slsaType, vulnType), "not usable: made with a key that no policy trusts")},
		{"the SBOM of another version, copied", "1.1.4", released("SBOM", copied("1.0.0", bomType)), missing("1.1.4", bomType,
			"4 bundles, 0 legacy signatures", "signed by "+byAcme, attestedBy(slsaType, vulnType), "not usable: made for another digest")},

		{"built by another builder", "1.2.0", released("provenance", provenanceOf("actions/runner", "evil/runner")),
			rejected("1.2.0", slsaType, "built by something else than GitHub's runner")},
		{"built from another repository, and the policy has no words for it", "1.2.1", released("provenance", provenanceOf("acme/charts", "mallory/charts")),
			rejected("1.2.1", slsaType, "not true: predicate.buildDefinition.externalParameters.workflow.repository == 'https://github.com/acme/charts'")},
		{"a provenance without what is asked about", "1.2.2", released("provenance", attest("cosign3", "acme", "slsaprovenance1",
			`{"buildDefinition": {}, "runDetails": {"builder": {"id": "https://github.com/actions/runner"}}}`)),
			rejected("1.2.2", slsaType, `not true: predicate.buildDefinition.externalParameters.workflow.repository == 'https://github.com/acme/charts': it cannot be evaluated ("no such key: externalParameters")`)},
		{"the SBOM of another chart", "1.2.3", released("SBOM", attest("cosign3", "acme", "cyclonedx", strings.Replace(billOfMaterials, "podinfo", "redis", 1))),
			rejected("1.2.3", bomType, "the SBOM is of something else")},
		{"a scan of last month", "1.2.4", released("scan", attest("cosign3", "acme", "vuln", scanned(30*24*time.Hour, "[]"))),
			rejected("1.2.4", vulnType, "the scan is older than a week")},
		{"a scan that found something", "1.2.5", released("scan", attest("cosign3", "acme", "vuln", scanned(time.Hour, `[{"severity": "CRITICAL"}]`))),
			rejected("1.2.5", vulnType, "a critical vulnerability was found")},
	}
	var items []item
	var rows []row
	for _, s := range seeds {
		items = append(items, item{"ghcr.io/acme/seed/podinfo:" + s.version, s.signed})
		rows = append(rows, row{sentence: s.sentence, object: releaseFrom("team", "seed/podinfo", s.version), want: s.want})
	}
	publishSeed(t, w.shop, items[:1]...) // of which something is copied
	publishSeed(t, w.shop, items[1:]...)
	rule := w.Object(t, harness.Policy("seed", fmt.Sprintf(demanding, "seed", "Enforce")))
	w.create(t, rule)
	w.becomes(t, w.Object(t, rows[0].object), harness.Admitted())
	w.check(t, rows)

	w.mustPatch(t, rule, "{spec: {mode: Warn}}")
	w.becomes(t, w.Object(t, releaseFrom("team", "seed/podinfo", "1.2.4")), harness.Admitted("chartgate would deny this (AttestationRejected): "+
		"oci://ghcr.io/acme/seed/podinfo:1.2.4@sha256:<podinfo:1.2.4> has no attestation "+vulnType+" that satisfies the policy: the scan is older than a week "+
		"(in the predicate by "+byAcme+"); policy: "+seedWants+"; next: fix what the condition names, attest again and apply again, or ask the platform team to change the condition"))
}

// copied attaches the attestations of that type that another version of podinfo has.
func copied(version, predicateType string) signature {
	return func(ctx context.Context, s *shop, host, repository, digest string) error {
		reference, err := chart.ParseReference(s.local("oci://" + host + "/" + repository + ":" + version))
		if err != nil {
			return err
		}
		client := registry.New(registry.Options{PlainHTTP: []string{s.at(host).Host()}})
		other, err := client.Resolve(ctx, reference, sourceauth.Auth{})
		if err != nil {
			return err
		}
		for material, err := range client.Signatures(ctx, other, attachment.Search{Predicates: []string{predicateType}}) {
			if err != nil {
				return err
			}
			if !strings.Contains(statementIn(material.Content), predicateType) {
				continue
			}
			if _, err := s.at(host).AttachBundle(repository, digest, material.Content, nil); err != nil {
				return err
			}
		}
		return nil
	}
}

func statementIn(bundle []byte) string {
	var b struct {
		DSSEEnvelope struct{ Payload []byte }
	}
	_ = json.Unmarshal(bundle, &b) // what cannot be read holds no statement
	return string(b.DSSEEnvelope.Payload)
}

// TestBrokenConditionsAreRefused: policies with broken conditions are refused when they are
// written.
func TestBrokenConditionsAreRefused(t *testing.T) {
	w := theSite(t)
	asking := func(cel string) string {
		return harness.Policy("broken", fmt.Sprintf(`{match: {charts: ["oci://ghcr.io/acme/seed/*"]}, require: [
  {anyOf: [acme-breakglass], attestation: {predicateType: %q, conditions: [{cel: %q}]}}]}`, slsaType, cel))
	}
	refused := func(cel, why string) harness.Answer {
		const field = "spec.require[0].attestation.conditions[0].cel"
		return harness.Denied("PolicyInvalid "+field, fmt.Sprintf("ChartPolicy broken denied (PolicyInvalid): %s: Invalid value: %q: %s", field, cel, why)+correct(field))
	}
	w.check(t, []row{
		{
			sentence: "not CEL", object: asking("predicate.builder.id =="),
			want: refused("predicate.builder.id ==", "column 24: Syntax error: mismatched input '<EOF>' expecting "+
				"{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"),
		}, {
			sentence: "a variable that does not exist", object: asking("provenance.builder.id == 'x'"),
			want: refused("provenance.builder.id == 'x'", "column 1: undeclared reference to 'provenance' (in container '')"),
		}, {
			sentence: "a question whose answer is neither yes nor no", object: asking("size(predicateType)"),
			want: refused("size(predicateType)", "yields int, not bool"),
		},
	})
}
