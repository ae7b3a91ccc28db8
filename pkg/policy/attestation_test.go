package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/verdict"
)

const (
	provenance = "https://slsa.dev/provenance/v1"
	sbom       = "https://spdx.dev/Document"
	scan       = "https://cosign.sigstore.dev/attestation/vuln/v1"
)

// attested is a policy that requires an attestation by release, of which the conditions hold.
func attested(predicateType string, conditions ...v1alpha1.Condition) v1alpha1.ChartPolicy {
	p := requiring("acme", "release")
	p.Spec.Require[0].Attestation = &v1alpha1.Attestation{PredicateType: predicateType, Conditions: conditions}
	return p
}

func attestation(t testing.TB, by, predicateType, content string) evidence.Evidence {
	t.Helper()
	e := signature(t, signerNamed(by))
	e.Statement, e.Predicate, e.Content = evidence.Attestation, predicateType, []byte(content)
	return e
}

func cel(expression string) v1alpha1.Condition { return v1alpha1.Condition{CEL: expression} }

// The predicates are shaped as their makers write them.
const (
	slsaV1 = `{"buildDefinition": {"buildType": "https://actions.github.io/buildtypes/workflow/v1",
		"externalParameters": {"workflow": {"ref": "refs/heads/main", "repository": "https://github.com/acme/charts"}}},
		"runDetails": {"builder": {"id": "https://github.com/actions/runner/github-hosted"}}}`
	slsaV02  = `{"builder": {"id": "https://github.com/slsa-framework/x"}, "invocation": {"configSource": {"uri": "git+https://github.com/acme/charts@refs/heads/main"}}}`
	spdx     = `{"spdxVersion": "SPDX-2.3", "packages": [{"name": "podinfo", "licenseConcluded": "Apache-2.0"}, {"name": "redis", "licenseConcluded": "MIT"}]}`
	cyclone  = `{"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [{"name": "log4j-core", "version": "2.17.1"}]}`
	findings = `{"scanner": {"uri": "trivy", "result": {"high": 2, "critical": 0}}, "metadata": {"scanFinishedOn": "2026-06-28T12:00:00Z"}}`
)

func TestConditions(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		sentence, predicate, expression string
		// near is what the message says, "" if the condition holds.
		near string
	}{
		{"SLSA v1: the repository", slsaV1, `predicate.buildDefinition.externalParameters.workflow.repository == "https://github.com/acme/charts"`, ""},
		{"SLSA v1: another repository", slsaV1, `predicate.buildDefinition.externalParameters.workflow.repository == "https://github.com/evil/charts"`, `not true: predicate.buildDefinition.`},
		{"SLSA v1: the builder's prefix", slsaV1, `predicate.runDetails.builder.id.startsWith("https://github.com/actions/runner/")`, ""},
		{"SLSA v0.2: the source", slsaV02, `predicate.invocation.configSource.uri.matches("^git\\+https://github.com/acme/charts@refs/heads/main$")`, ""},
		{"SPDX: every licence is allowed", spdx, `predicate.packages.all(p, p.licenseConcluded in ["Apache-2.0", "MIT"])`, ""},
		{"SPDX: one licence is not", spdx, `predicate.packages.all(p, p.licenseConcluded == "MIT")`, "not true: "},
		{"CycloneDX: a bad component is absent", cyclone, `!predicate.components.exists(c, c.name == "log4j-core" && c.version.startsWith("2.14"))`, ""},
		{"a scan: no critical findings", findings, `predicate.scanner.result.critical == 0`, ""},
		{"a scan: numbers are compared as numbers", findings, `predicate.scanner.result.high <= 2 && predicate.scanner.result.high < 2.5`, ""},
		{"a scan of the last week", findings, `now - timestamp(predicate.metadata.scanFinishedOn) < duration("168h")`, ""},
		{"a scan of the last day, which is older", findings, `now - timestamp(predicate.metadata.scanFinishedOn) < duration("24h")`, "not true: now - "},
		{"the predicate's type", spdx, `predicateType == "https://spdx.dev/Document"`, ""},
		{"the signer", spdx, `signer.subject == "release@acme.example" && signer.issuer.startsWith("https://")`, ""},
		{"the chart's digest", spdx, `digest.startsWith("sha256:aaaa")`, ""},
		{"an optional field that is there", spdx, `has(predicate.spdxVersion)`, ""},
		{"an optional field that is not", spdx, `has(predicate.other)`, "not true: has(predicate.other)"},
		{"a field that does not exist is no consent", spdx, `predicate.other == "x"`, "cannot be evaluated"},
		{"nor is its negation", spdx, `predicate.other != "x"`, "cannot be evaluated"},
		{"a value of another type is no consent", spdx, `predicate.packages == 5 || predicate.packages.name == ""`, "cannot be evaluated"},
		{"what is true, but no bool, is no consent", `{"good": "true"}`, `predicate.good`, "not true: predicate.good"},
		{"a number is no consent", `{"good": 1}`, `predicate.good`, "not true: predicate.good"},
		{"a predicate that is a list", `["x"]`, `predicate[0] == "x"`, ""},
		{"a predicate that is null", `null`, `predicate == null`, ""},
		{"no content", ``, `true`, "it has no content"},
		{"content that is not JSON", `{`, `true`, "it is not JSON"},
		{"an expression without end", spdx, `[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, [1,2,3,4,5,6,7,8,9,10].all(d, [1,2,3,4,5,6,7,8,9,10].all(e, [1,2,3,4,5,6,7,8,9,10].all(f, a+b+c+d+e+f > 0))))))`, "takes too long to evaluate"},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			t.Parallel()
			set := compile(t, policy.Input{Identities: people("release"), Policies: []v1alpha1.ChartPolicy{attested(sbom, cel(tc.expression))}})
			proven := []evidence.Evidence{attestation(t, "release", sbom, tc.predicate)}
			accepted, unmet := judge(set.For(locationOf(t, podinfo)).Policies()[0], digestOf(t, "a"), proven, noon)
			switch {
			case tc.near == "":
				if len(accepted) != 1 || len(unmet) > 0 {
					t.Errorf("not accepted: %+v", unmet)
				}
			case len(accepted) > 0 || len(unmet) != 1 || len(unmet[0].Near) != 1 || !strings.Contains(unmet[0].Near[0], tc.near):
				t.Errorf("accepted %v, unmet %+v; want %q", accepted, unmet, tc.near)
			}
		})
	}
}

func TestAttestationsThatDoNotDo(t *testing.T) {
	t.Parallel()
	late := attestation(t, "release", sbom, spdx)
	late.SignedAt = noon.Add(time.Hour)
	elsewhere := attestation(t, "release", sbom, spdx)
	elsewhere.TrustRoot = "corp"
	retired := person("release")
	retired.Spec.Validity = &v1alpha1.Validity{NotAfter: at(noon)}
	complaint := v1alpha1.Condition{CEL: `size(predicate.packages) > 5`, Message: "the SBOM is a stub"}
	for _, tc := range []struct {
		sentence string
		evidence []evidence.Evidence
		identity v1alpha1.TrustedIdentity
		want     []verdict.Unmet
	}{
		{"nothing", nil, person("release"), []verdict.Unmet{{Predicate: sbom}}},
		{"a signature of the chart", []evidence.Evidence{signature(t, signerNamed("release"))}, person("release"), []verdict.Unmet{{Predicate: sbom}}},
		{"an attestation of another type", []evidence.Evidence{attestation(t, "release", provenance, spdx)}, person("release"), []verdict.Unmet{{Predicate: sbom}}},
		{"a stranger's", []evidence.Evidence{attestation(t, "mallory", sbom, spdx)}, person("release"), []verdict.Unmet{{Predicate: sbom}}},
		{"one that another trust root proves", []evidence.Evidence{elsewhere}, person("release"), []verdict.Unmet{{Predicate: sbom}}},
		{"one made too late", []evidence.Evidence{late}, retired, []verdict.Unmet{{Predicate: sbom, Near: []string{"release signed it at 2026-07-01T13:00:00Z, after validity.notAfter 2026-07-01T12:00:00Z"}}}},
		{
			"one of which a condition does not hold, with the author's words for it", []evidence.Evidence{attestation(t, "release", sbom, spdx)}, person("release"),
			[]verdict.Unmet{{Predicate: sbom, Near: []string{"the SBOM is a stub (in the predicate by subject release@acme.example, issuer https://issuer.example)"}}},
		},
		{
			"two, of which neither satisfies all conditions, do not do together",
			[]evidence.Evidence{attestation(t, "release", sbom, `{"packages": [1, 2, 3, 4, 5, 6]}`), attestation(t, "release", sbom, spdx)}, person("release"),
			[]verdict.Unmet{{Predicate: sbom, Near: []string{
				`not true: has(predicate.spdxVersion) (in the predicate by subject release@acme.example, issuer https://issuer.example)`,
				"the SBOM is a stub (in the predicate by subject release@acme.example, issuer https://issuer.example)",
			}}},
		},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			t.Parallel()
			set := compile(t, policy.Input{
				Identities: []v1alpha1.TrustedIdentity{tc.identity},
				Policies:   []v1alpha1.ChartPolicy{attested(sbom, complaint, cel("has(predicate.spdxVersion)"))},
			})
			accepted, unmet := judge(set.For(locationOf(t, podinfo)).Policies()[0], digestOf(t, "a"), tc.evidence, noon)
			if diff := cmp.Diff(tc.want, unmet, cmpopts.IgnoreFields(verdict.Unmet{}, "By", "Repository")); diff != "" || len(accepted) > 0 {
				t.Errorf("accepted %v, unmet (-want +got):\n%s", accepted, diff)
			}
		})
	}
}

func TestEvidenceThatConcernsNobody(t *testing.T) {
	t.Parallel()
	set := compile(t, policy.Input{Identities: people("release", "audit"), Policies: []v1alpha1.ChartPolicy{attested(sbom), requiring("audited", "audit")}})
	policies := set.For(locationOf(t, podinfo))
	for _, tc := range []struct {
		sentence string
		evidence evidence.Evidence
		want     bool
	}{
		{"an attestation that is wanted", attestation(t, "release", sbom, "{}"), true},
		{"of another type", attestation(t, "release", scan, "{}"), false},
		{"by somebody who is wanted for something else", attestation(t, "audit", sbom, "{}"), false},
		{"by a stranger", attestation(t, "mallory", sbom, "{}"), false},
		{"a signature that is wanted", signature(t, signerNamed("audit")), true},
		{"nothing", evidence.Evidence{}, false},
	} {
		if got := policies.Concerns(tc.evidence); got != tc.want {
			t.Errorf("%s: %v", tc.sentence, got)
		}
	}
}

// Conditions that were true must be evaluated again as time passes.
func TestAScanGrowsOld(t *testing.T) {
	t.Parallel()
	week := cel(`now - timestamp(predicate.metadata.scanFinishedOn) < duration("168h")`)
	set := compile(t, policy.Input{Identities: people("release"), Policies: []v1alpha1.ChartPolicy{attested(scan, week)}})
	p := set.For(locationOf(t, podinfo)).Policies()[0]
	proven := []evidence.Evidence{attestation(t, "release", scan, findings)}
	if _, unmet := judge(p, digestOf(t, "a"), proven, noon); len(unmet) > 0 {
		t.Errorf("young: %+v", unmet)
	}
	if _, unmet := judge(p, digestOf(t, "a"), proven, noon.AddDate(0, 0, 5)); len(unmet) == 0 {
		t.Error("a scan of 8 days ago was taken for one of the last week")
	}
}

func TestAttestationsThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		sentence string
		spec     v1alpha1.Attestation
		because  string
	}{
		{"no type", v1alpha1.Attestation{}, "spec.require[0].attestation.predicateType: Required value"},
		{"a short name of cosign's", v1alpha1.Attestation{PredicateType: "slsaprovenance1"}, `spec.require[0].attestation.predicateType: Invalid value: "slsaprovenance1": cosign attest --type takes it for https://slsa.dev/provenance/v1; write that`},
		{"another short name of cosign's", v1alpha1.Attestation{PredicateType: "vuln"}, `takes it for https://cosign.sigstore.dev/attestation/vuln/v1; write that`},
		{"a type with a space", v1alpha1.Attestation{PredicateType: sbom + " "}, "must have no spaces around it"},
		{"the type of signatures", v1alpha1.Attestation{PredicateType: evidence.SignaturePredicate}, "leave attestation out to ask for a signature"},
		{"an empty condition", v1alpha1.Attestation{PredicateType: sbom, Conditions: []v1alpha1.Condition{{}}}, `spec.require[0].attestation.conditions[0].cel: Invalid value: "": `},
		{"a condition that is no CEL", v1alpha1.Attestation{PredicateType: sbom, Conditions: []v1alpha1.Condition{cel("true"), cel("predicate.")}}, `spec.require[0].attestation.conditions[1].cel: Invalid value: "predicate.": column 11: `},
		{"a condition that yields text", v1alpha1.Attestation{PredicateType: sbom, Conditions: []v1alpha1.Condition{cel(`"true"`)}}, `spec.require[0].attestation.conditions[0].cel: Invalid value: "\"true\"": yields string, not bool`},
		{"a condition about what there is not", v1alpha1.Attestation{PredicateType: sbom, Conditions: []v1alpha1.Condition{cel(`predicate == object`)}}, `spec.require[0].attestation.conditions[0].cel: Invalid value: "predicate == object": column 14: undeclared reference to 'object'`},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			t.Parallel()
			obj := requiring("acme", "release")
			obj.Spec.Require[0].Attestation = &tc.spec
			if errs := policy.CheckPolicy(obj); len(errs) == 0 || !strings.Contains(texts(errs), tc.because) {
				t.Errorf("got %v, want it to say %q", errs, tc.because)
			}
			set, report := policy.Compile(policy.Input{Identities: people("release"), Policies: []v1alpha1.ChartPolicy{obj}})
			if report.Policies["acme"] == nil {
				t.Error("it was compiled")
			}
			if accepted, unmet := judge(set.For(locationOf(t, podinfo)).Policies()[0], digestOf(t, "a"), []evidence.Evidence{attestation(t, "release", sbom, spdx)}, noon); len(accepted) > 0 || len(unmet) == 0 {
				t.Errorf("accepted %v", accepted)
			}
		})
	}
}
