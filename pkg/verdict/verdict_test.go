package verdict_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/verdict"
)

func TestTheZeroVerdictDenies(t *testing.T) {
	t.Parallel()
	wantInternalDenial(t, verdict.Verdict{})
	wantInternalDenial(t, verdict.Verdict{Subject: resolved(t)})
}

func TestWithoutJustificationEveryConstructorDenies(t *testing.T) {
	t.Parallel()
	subject, unresolved := resolved(t), podinfo(t, "oci://ghcr.io/acme/charts/podinfo", "6.7.1")
	good := verdict.Acceptance{Policy: "acme", Identity: "release", Evidence: signedBy(t, "release@acme.example")}
	waiver := verdict.Acceptance{Policy: "legacy", Waiver: "moving; until 2027-01-31"}
	without := func(change func(*verdict.Acceptance)) []verdict.Acceptance {
		bad := good
		change(&bad)
		return []verdict.Acceptance{bad}
	}
	proven := func(digest chart.Digest, statement evidence.Statement) []verdict.Acceptance {
		return without(func(a *verdict.Acceptance) { a.Evidence = evidence.New(digest, statement, good.Evidence.Signer) })
	}
	warning := verdict.Denial{Reason: verdict.SignatureMissing, Summary: "unsigned", Policy: []string{"acme requires a signature"}}
	anonymous := verdict.Denial{Reason: verdict.SignatureMissing, Summary: "unsigned"}
	attested := evidence.New(subject.Digest, evidence.Attestation, evidence.Signer{Subject: "release@acme.example", Issuer: "https://issuer.example"})
	attested.Predicate = "sbom"
	elsewhere := subject
	elsewhere.Digest = digestOf(t, "b")
	for _, tc := range []struct {
		name string
		got  verdict.Verdict
	}{
		{"Deny without a denial", verdict.Deny(subject)},
		{"Admit without acceptances", verdict.Admit(subject, nil)},
		{"Admit with no acceptances in the list", verdict.Admit(subject, []verdict.Acceptance{})},
		{"Admit with an acceptance of nobody", verdict.Admit(subject, []verdict.Acceptance{{}})},
		{"Admit with an acceptance without a policy", verdict.Admit(subject, without(func(a *verdict.Acceptance) { a.Policy = "" }))},
		{"Admit with a waiver without a policy", verdict.Admit(subject, []verdict.Acceptance{{Waiver: "because"}})},
		{"Admit with an acceptance without an identity", verdict.Admit(subject, without(func(a *verdict.Acceptance) { a.Identity = "" }))},
		{"Admit with an acceptance without evidence", verdict.Admit(subject, without(func(a *verdict.Acceptance) { a.Evidence = evidence.Evidence{} }))},
		{"Admit with evidence for another digest", verdict.Admit(subject, proven(digestOf(t, "b"), evidence.ChartSignature))},
		{"Admit with an attestation for a signature", verdict.Admit(subject, proven(subject.Digest, evidence.Attestation))},
		{"Admit with evidence of no known statement", verdict.Admit(subject, proven(subject.Digest, 0))},
		{"Admit of an unresolved chart", verdict.Admit(unresolved, []verdict.Acceptance{good})},
		{"Admit of an unresolved chart by evidence about no digest", verdict.Admit(unresolved, proven(chart.Digest{}, evidence.ChartSignature))},
		{"Admit with a bad acceptance behind a good one", verdict.Admit(subject, append([]verdict.Acceptance{good}, proven(digestOf(t, "b"), evidence.ChartSignature)...))},
		{"Admit with a bad acceptance before a good one", verdict.Admit(subject, append(proven(digestOf(t, "b"), evidence.ChartSignature), good))},
		{"Admit with a bad acceptance behind a waiver", verdict.Admit(subject, []verdict.Acceptance{waiver, {Policy: "acme"}})},
		{"Warn without denials and acceptances", verdict.Warn(subject, nil, nil)},
		{"Warn without denials, with a bad acceptance", verdict.Warn(subject, nil, []verdict.Acceptance{{Policy: "acme"}})},
		{"Warn although an enforcing policy's acceptance is bad", verdict.Warn(subject, []verdict.Denial{warning}, []verdict.Acceptance{{Policy: "acme"}})},
		{"Warn although the evidence is for another digest", verdict.Warn(subject, []verdict.Denial{warning}, proven(digestOf(t, "b"), evidence.ChartSignature))},
		{"Cover without a policy", verdict.Cover(subject, "")},
		{"Admit with an attestation where a signature was wanted", verdict.Admit(subject, []verdict.Acceptance{{Policy: "acme", Identity: "release", Evidence: attested}})},
		{"Admit with a signature where an attestation was wanted", verdict.Admit(subject, []verdict.Acceptance{{Policy: "acme", Identity: "release", Predicate: "sbom", Evidence: signedBy(t, "release@acme.example")}})},
		{"Admit with an attestation of another type", verdict.Admit(subject, []verdict.Acceptance{{Policy: "acme", Identity: "release", Predicate: "scan", Evidence: attested}})},
		{"Admit with an attestation of another chart", verdict.Admit(elsewhere, []verdict.Acceptance{{Policy: "acme", Identity: "release", Predicate: "sbom", Evidence: attested}})},
		{"Outside without a reason", verdict.Outside(subject, "")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			wantInternalDenial(t, tc.got)
		})
	}
	for _, tc := range []struct {
		name string
		got  verdict.Verdict
		want verdict.Reason
	}{
		{"Deny", verdict.Deny(subject, warning), verdict.SignatureMissing},
		{"Warn of what no policy in mode Warn denied", verdict.Warn(subject, []verdict.Denial{anonymous}, nil), verdict.SignatureMissing},
		{"Warn of what no policy denied, among others", verdict.Warn(subject, []verdict.Denial{warning, anonymous}, []verdict.Acceptance{good}), verdict.SignatureMissing},
		{"Warn of an unclassified failure", verdict.Warn(subject, []verdict.Denial{verdict.FromError(nil)}, nil), verdict.InternalError},
		{"Defer what is not a missing source", verdict.Defer(subject, warning), verdict.SignatureMissing},
		{"Defer a failure", verdict.Defer(subject, verdict.FromError(errors.New("x"))), verdict.InternalError},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if tc.got.Admits() || tc.got.Warned() || tc.got.Waived() || tc.got.Deferred() || tc.got.Reason() != tc.want {
				t.Errorf("got %v (%s), want it denied for %s", tc.got, tc.got.Reason(), tc.want)
			}
		})
	}
}

func TestWithJustificationTheConstructorsAdmit(t *testing.T) {
	t.Parallel()
	subject, unresolved := resolved(t), podinfo(t, "https://charts.legacy.example/podinfo", "6.7.1")
	good := verdict.Acceptance{Policy: "acme", Identity: "release", Evidence: signedBy(t, "release@acme.example")}
	waiver := verdict.Acceptance{Policy: "legacy", Waiver: "moving; until 2027-01-31"}
	warning := verdict.Denial{Reason: verdict.SignatureMissing, Policy: []string{"acme requires a signature"}}
	missing := verdict.Denial{Reason: verdict.SourceNotFound}
	attested := evidence.New(subject.Digest, evidence.Attestation, evidence.Signer{Subject: "release@acme.example", Issuer: "https://issuer.example"})
	attested.Predicate = "sbom"
	type shown struct {
		Text                     string
		Warned, Waived, Deferred bool
		Reason                   verdict.Reason
		Acceptances              int
	}
	for _, tc := range []struct {
		name string
		got  verdict.Verdict
		want shown
	}{
		{"signed", verdict.Admit(subject, []verdict.Acceptance{good}), shown{Text: "Verified", Acceptances: 1}},
		{"signed for two policies", verdict.Admit(subject, []verdict.Acceptance{good, good}), shown{Text: "Verified", Acceptances: 2}},
		{"waived, and never resolved", verdict.Admit(unresolved, []verdict.Acceptance{waiver}), shown{Text: "AllowedUnverified", Waived: true, Acceptances: 1}},
		{"signed for one policy, waived by another", verdict.Admit(subject, []verdict.Acceptance{waiver, good}), shown{Text: "Verified", Acceptances: 2}},
		{"warned of, though another policy accepted", verdict.Warn(subject, []verdict.Denial{warning}, []verdict.Acceptance{good}), shown{Text: "Warned", Warned: true, Reason: verdict.SignatureMissing, Acceptances: 1}},
		{"warned of", verdict.Warn(unresolved, []verdict.Denial{warning}, nil), shown{Text: "Warned", Warned: true, Reason: verdict.SignatureMissing}},
		{"nothing to warn of", verdict.Warn(subject, nil, []verdict.Acceptance{good}), shown{Text: "Verified", Acceptances: 1}},
		{"a covered repository", verdict.Cover(subject, "acme"), shown{Text: "Covered", Acceptances: 1}},
		{"outside", verdict.Outside(subject, "no chart"), shown{Text: "Outside"}},
		{"an attestation, where one was wanted", verdict.Admit(subject, []verdict.Acceptance{{Policy: "acme", Identity: "release", Predicate: "sbom", Evidence: attested}}), shown{Text: "Verified", Acceptances: 1}},
		{"deferred", verdict.Defer(subject, missing), shown{Text: "Deferred", Deferred: true, Reason: verdict.SourceNotFound}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			v := tc.got
			if !v.Admits() {
				t.Fatalf("denied: %s", v.Message())
			}
			got := shown{v.String(), v.Warned(), v.Waived(), v.Deferred(), v.Reason(), len(v.Acceptances())}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("verdict (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNothingElseAdmits makes every verdict from every pair of acceptances and of denials out of
// small sets that hold each good and bad value, and compares with the rule in doc comments, stated
// again here.
func TestNothingElseAdmits(t *testing.T) {
	t.Parallel()
	right := digestOf(t, "a")
	var acceptances []verdict.Acceptance
	for _, policy := range []string{"", "acme"} {
		for _, identity := range []string{"", "release"} {
			for _, waiver := range []string{"", "moving"} {
				for _, digest := range []chart.Digest{{}, right, digestOf(t, "b")} {
					for _, statement := range []evidence.Statement{0, evidence.ChartSignature, evidence.Attestation, 3} {
						acceptances = append(acceptances, verdict.Acceptance{
							Policy: policy, Identity: identity, Waiver: waiver, Evidence: evidence.New(digest, statement, evidence.Signer{}),
						})
					}
				}
			}
		}
	}
	var denials []verdict.Denial
	for _, reason := range append(verdict.Reasons(), "") {
		denials = append(denials, verdict.Denial{Reason: reason}, verdict.Denial{Reason: reason, Policy: []string{"acme"}})
	}
	lists := [][]verdict.Acceptance{nil, {}}
	for i, a := range acceptances {
		lists = append(lists, []verdict.Acceptance{a}, []verdict.Acceptance{a, acceptances[(i*7+5)%len(acceptances)]})
	}
	for i := range len(acceptances) * len(acceptances) {
		lists = append(lists, []verdict.Acceptance{acceptances[i%len(acceptances)], acceptances[i/len(acceptances)]})
	}
	admitted := 0
	for _, subject := range []verdict.Subject{{}, {Digest: right}} {
		for _, list := range lists {
			justified := len(list) > 0
			for _, a := range list {
				signed := a.Identity != "" && !subject.Digest.IsZero() && a.Evidence.Digest() == subject.Digest && a.Evidence.Statement == evidence.ChartSignature
				justified = justified && a.Policy != "" && (a.Waiver != "" || signed)
			}
			if got := verdict.Admit(subject, list); got.Admits() != justified {
				t.Fatalf("Admit(%+v, %+v) is %v", subject, list, got)
			}
			if justified {
				admitted++
			}
			for i, d := range denials[:6] {
				two := []verdict.Denial{denials[(i+3)%6], d}
				want := (justified || len(list) == 0) && len(two[0].Policy) > 0 && len(two[1].Policy) > 0
				if got := verdict.Warn(subject, two, list); got.Admits() != want || got.Warned() != want {
					t.Fatalf("Warn(%+v, %+v, %+v) is %v", subject, two, list, got)
				}
			}
		}
		for _, d := range denials {
			if got := verdict.Deny(subject, d); got.Admits() {
				t.Fatalf("Deny(%+v) is %v", d, got)
			}
			if got := verdict.Defer(subject, d); got.Admits() != (d.Reason == verdict.SourceNotFound) {
				t.Fatalf("Defer(%+v) is %v", d, got)
			}
		}
	}
	if admitted < 100 {
		t.Errorf("%d lists justify admission: the comparison says little", admitted)
	}
}

func TestEvidenceSignsItsOwnDigestOnly(t *testing.T) {
	t.Parallel()
	a, b := digestOf(t, "a"), digestOf(t, "b")
	for _, tc := range []struct {
		name     string
		evidence evidence.Evidence
		about    chart.Digest
		want     bool
	}{
		{"its own", evidence.New(a, evidence.ChartSignature, evidence.Signer{}), a, true},
		{"another", evidence.New(a, evidence.ChartSignature, evidence.Signer{}), b, false},
		{"none", evidence.New(chart.Digest{}, evidence.ChartSignature, evidence.Signer{}), chart.Digest{}, false},
		{"an attestation about it", evidence.New(a, evidence.Attestation, evidence.Signer{}), a, false},
		{"an unknown statement about it", evidence.New(a, 7, evidence.Signer{}), a, false},
		{"the zero evidence", evidence.Evidence{}, a, false},
		{"the zero evidence about none", evidence.Evidence{}, chart.Digest{}, false},
	} {
		if got := tc.evidence.Signs(tc.about); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

func TestCausesAreForTheLog(t *testing.T) {
	t.Parallel()
	first, second := errors.New("first"), errors.New("second")
	v := verdict.Deny(resolved(t), verdict.FromError(first), verdict.Denial{Reason: verdict.NoPolicy}, verdict.FromError(second))
	if diff := cmp.Diff("[first second]", fmt.Sprint(v.Causes())); diff != "" {
		t.Errorf("causes (-want +got):\n%s", diff)
	}
	if causes := (verdict.Verdict{}).Causes(); len(causes) > 0 {
		t.Errorf("the zero verdict has the causes %v", causes)
	}
}

func wantInternalDenial(t *testing.T, v verdict.Verdict) {
	t.Helper()
	if v.Admits() || v.Warned() || v.Waived() || v.Deferred() || v.String() != "Denied" {
		t.Fatalf("got %v", v)
	}
	if v.Reason() != verdict.InternalError || len(v.Denials()) != 1 {
		t.Errorf("denied for %q: %+v", v.Reason(), v.Denials())
	}
	if len(v.Acceptances()) > 0 {
		t.Errorf("a denial with acceptances: %+v", v.Acceptances())
	}
}

// Mode Warn of an installation admits a denial of every reason, and says what it was.
func TestAdmitAnyway(t *testing.T) {
	for _, reason := range verdict.Reasons() {
		denied := verdict.Deny(verdict.Subject{Kind: "HelmRelease", Namespace: "apps", Name: "podinfo"}, verdict.Denial{Reason: reason, Summary: "it is so", Next: "do that"})
		got := verdict.AdmitAnyway(denied)
		if !got.Admits() || !got.Warned() || got.String() != "Warned" || got.Reason() != reason || denied.Admits() {
			t.Errorf("%s: %s, and before %s", reason, got, denied)
		}
		if want := fmt.Sprintf("chartgate would deny this (%s): it is so; next: do that", reason); got.Warning() != want {
			t.Errorf("warning: %s", got.Warning())
		}
		if want := fmt.Sprintf("HelmRelease apps/podinfo admitted because chartgate only warns (%s): it is so\n  next:     do that", reason); got.Message() != want {
			t.Errorf("message: %s", got.Message())
		}
	}
	if zero := verdict.AdmitAnyway(verdict.Verdict{}); !zero.Admits() || zero.Reason() != verdict.InternalError {
		t.Errorf("the zero verdict: %s (%s)", zero, zero.Reason())
	}
}
