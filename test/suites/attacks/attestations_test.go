package attacks_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/signature"
	"github.com/chartgate/chartgate/pkg/verdict"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
	"github.com/chartgate/chartgate/test/harness"
)

const spdx = "https://spdx.dev/Document"

// attestedGate requires a signature by acme, and a provenance by acme that names the builder and
// the repository.
func (s *stall) attestedGate(t *testing.T) *gate.Gate {
	t.Helper()
	rule := chartPolicy("attested", s.Host(), []string{"acme"})
	rule.Spec.Require = append(rule.Spec.Require, v1alpha1.Requirement{
		AnyOf: []string{"acme"},
		Attestation: &v1alpha1.Attestation{PredicateType: slsa, Conditions: []v1alpha1.Condition{
			{CEL: "predicate.builder == 'acme'"}, {CEL: "predicate.repository == 'acme/charts'"},
		}},
	})
	return s.gateOf(t, policy.Input{Identities: identities(string(must(s.key.PEM())(t))), Policies: []v1alpha1.ChartPolicy{rule}})
}

func (s *stall) gateOf(t *testing.T, in policy.Input) *gate.Gate {
	t.Helper()
	client := registry.New(registry.Options{PlainHTTP: []string{s.Host()}})
	return gate.New(harness.Compile(t, in), client, signature.New(must(signature.Fixed(s.root))(t)), time.Now)
}

// proper is a predicate that the policy accepts, improper one that it rejects.
func proper() json.RawMessage {
	return json.RawMessage(`{"builder":"acme","repository":"acme/charts"}`)
}
func improper() json.RawMessage {
	return json.RawMessage(`{"builder":"mallory","repository":"acme/charts"}`)
}

// attested attaches an attestation of the chart in both forms.
func (s *stall) attested(t *testing.T, by sigstore.Signer, kind string, predicate json.RawMessage, opts ...sigstore.Option) {
	t.Helper()
	s.attestedIn(t, s.Sigstore, s.digest, by, kind, predicate, opts...)
}

func (s *stall) attestedIn(t *testing.T, in *sigstore.Sigstore, digest string, by sigstore.Signer, kind string, predicate json.RawMessage, opts ...sigstore.Option) {
	t.Helper()
	s.attach(t, must(in.Bundle(by, digest, kind, predicate, opts...))(t), nil)
	envelope, annotations, err := in.LegacyAttestation(by, digest, kind, predicate, opts...)
	if err != nil {
		t.Fatal(err)
	}
	s.attachAttestation(t, envelope, annotations)
}

func (s *stall) attachAttestation(t *testing.T, envelope []byte, annotations map[string]string) {
	t.Helper()
	if err := s.AttachLegacyAttestation(s.repo, s.digest, envelope, annotations); err != nil {
		t.Fatal(err)
	}
}

func (s *stall) legacyAttestation(t *testing.T, by sigstore.Signer, predicate json.RawMessage, opts ...sigstore.Option) ([]byte, map[string]string) {
	t.Helper()
	envelope, annotations, err := s.LegacyAttestation(by, s.digest, slsa, predicate, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return envelope, annotations
}

// TestForgedAttestations: the chart is signed by the right workflow, and what is attached to it is
// not an attestation of exactly this chart, by a signer that the policy names, with a predicate
// that every JSON reader reads in the same way.
func TestForgedAttestations(t *testing.T) {
	t.Parallel()
	const missing, rejected = verdict.AttestationMissing, verdict.AttestationRejected
	byAcme := func(kind string, predicate json.RawMessage, opts ...sigstore.Option) func(*testing.T, *stall) {
		return func(t *testing.T, s *stall) { s.attested(t, acme(), kind, predicate, opts...) }
	}
	// stating changes the statement that acme signs, so that two readers could read it differently.
	stating := func(from, to string) func(*testing.T, *stall) {
		return func(t *testing.T, s *stall) {
			change := func(b []byte) []byte {
				if !bytes.Contains(b, []byte(from)) {
					t.Fatalf("%s does not occur in %s", from, b)
				}
				return bytes.Replace(b, []byte(from), []byte(to), 1)
			}
			s.attested(t, acme(), slsa, improper(), sigstore.Rewritten(change))
		}
	}
	for _, a := range []struct {
		sentence, source string
		unsigned         bool
		attach           func(t *testing.T, s *stall)
		want             verdict.Reason
	}{
		{"control: an attestation by the right workflow", "", false, byAcme(slsa, proper()), ""},
		{"control: only a bundle", "", false, func(t *testing.T, s *stall) { s.attach(t, must(s.Bundle(acme(), s.digest, slsa, proper()))(t), nil) }, ""},
		{"control: only a legacy attestation", "", false, func(t *testing.T, s *stall) {
			envelope, annotations := s.legacyAttestation(t, acme(), proper())
			s.attachAttestation(t, envelope, annotations)
		}, ""},
		{"control: a good attestation beside bad ones", "", false, func(t *testing.T, s *stall) {
			s.attested(t, mallory(), slsa, proper())
			s.attested(t, acme(), slsa, improper())
			s.attachAttestation(t, []byte("garbage"), nil)
			s.attested(t, acme(), slsa, proper())
		}, ""},
		{"no attestation at all", "", false, func(*testing.T, *stall) {}, missing},
		{"an attestation in the place of the signature", "CVE-2022-35929", true, byAcme(slsa, proper()), verdict.SignatureMissing},
		{"a signature in the place of the attestation", "", false, byAcme(sigstore.SignPredicateType, proper()), missing},
		{"an attestation of another type", "", false, byAcme(spdx, proper()), missing},
		{"an attestation of another type whose annotations say otherwise", cosignPredicates, false, func(t *testing.T, s *stall) {
			s.attach(t, must(s.Bundle(acme(), s.digest, spdx, proper()))(t), map[string]string{predicateAnnotation: slsa})
			envelope, annotations, err := s.LegacyAttestation(acme(), s.digest, spdx, proper())
			if err != nil {
				t.Fatal(err)
			}
			annotations["predicateType"] = slsa
			s.attachAttestation(t, envelope, annotations)
		}, missing},
		{"an attestation by a stranger", "", false, func(t *testing.T, s *stall) { s.attested(t, mallory(), slsa, proper()) }, missing},
		{"an attestation by a key that may sign other charts", "", false, func(t *testing.T, s *stall) { s.attested(t, s.key, slsa, proper()) }, missing},
		{"an attestation in the name of the right workflow, by a stranger's Sigstore", "", false, func(t *testing.T, s *stall) {
			s.attestedIn(t, s.stranger, s.digest, acme(), slsa, proper())
		}, missing},
		{"a good attestation of another chart, copied", cosignClaims, false, func(t *testing.T, s *stall) {
			other, _ := s.push(t, s.repo, "2.0.0", "other")
			s.attestedIn(t, s.Sigstore, other, acme(), slsa, proper())
		}, missing},
		{"a good attestation of another chart, with its subject changed", "", false, func(t *testing.T, s *stall) {
			other, _ := s.push(t, s.repo, "2.0.0", "other")
			s.attestedIn(t, s.Sigstore, other, acme(), slsa, proper(), sigstore.Tampered(replace(other[7:], s.digest[7:])))
		}, missing},
		{"a predicate changed after it was signed", "", false, byAcme(slsa, improper(), sigstore.Tampered(replace("mallory", "acme"))), missing},
		{"a predicate type changed after it was signed", "", false, byAcme(spdx, proper(), sigstore.Tampered(replace(spdx, slsa))), missing},
		{"an attestation that is not logged", "", false, byAcme(slsa, proper(), sigstore.WithoutLog()), missing},
		{"an attestation with the log entry of another one", "CVE-2026-22703", false, byAcme(slsa, proper(), sigstore.UnrelatedLogEntry()), missing},
		{"a predicate that a condition rejects", "", false, byAcme(slsa, improper()), rejected},
		{"two attestations, each of which satisfies one condition", "", false, func(t *testing.T, s *stall) {
			s.attested(t, acme(), slsa, improper())
			s.attested(t, acme(), slsa, json.RawMessage(`{"builder":"acme","repository":"mallory/charts"}`))
		}, rejected},
		{"a predicate of names in upper case", "", false, stating(`"builder":"mallory"`, `"Builder":"acme"`), rejected},

		{"a name twice in the predicate", "", false, stating(`"builder":"mallory"`, `"builder":"mallory","builder":"acme"`), missing},
		{"a name twice in the predicate, the other way round", "", false, stating(`"builder":"mallory"`, `"builder":"acme","builder":"mallory"`), missing},
		{"a name twice in the predicate, once in escapes", "", false, stating(`"builder":"mallory"`, `"builder":"mallory","build\u0065r":"acme"`), missing},
		{"two predicates", "", false, stating(`"predicate":`, `"predicate":`+string(proper())+`,"predicate":`), missing},
		{"a second predicate in upper case", "", false, stating(`"predicate":`, `"Predicate":`+string(proper())+`,"predicate":`), missing},
		{"two types", "", false, stating(`"predicateType":`, `"predicateType":"`+spdx+`","predicateType":`), missing},
		{"a predicate that is the text of one", "", false, stating(string(improper()), `"{\"builder\":\"acme\"}"`), missing},

		{"an envelope with two signatures, one by the right workflow", "", false, func(t *testing.T, s *stall) {
			envelope, annotations := s.legacyAttestation(t, acme(), proper())
			s.attachAttestation(t, edit(t, envelope, func(e map[string]any) {
				e["signatures"] = append([]any{map[string]any{"keyid": "", "sig": "AAAA"}}, e["signatures"].([]any)...)
			}), annotations)
		}, missing},
		{"an envelope with a second payload", "", false, func(t *testing.T, s *stall) {
			envelope, annotations := s.legacyAttestation(t, acme(), improper())
			theirs, _ := s.legacyAttestation(t, mallory(), proper())
			var other struct{ Payload string }
			if err := json.Unmarshal(theirs, &other); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"payload", "Payload"} {
				s.attachAttestation(t, bytes.Replace(envelope, []byte(`"signatures":`), fmt.Appendf(nil, `%q:%q,"signatures":`, name, other.Payload), 1), annotations)
			}
		}, missing},
		{"an envelope of another type of payload", "", false, func(t *testing.T, s *stall) {
			envelope, annotations := s.legacyAttestation(t, acme(), proper())
			s.attachAttestation(t, bytes.Replace(envelope, []byte("in-toto"), []byte("other"), 1), annotations)
		}, missing},
		{"an attestation among the signatures, and a signature among the attestations", "CVE-2022-35930", true, func(t *testing.T, s *stall) {
			envelope, annotations := s.legacyAttestation(t, acme(), proper())
			payload, others := s.legacyOf(t, acme(), s.digest)
			s.attachLegacy(t, envelope, with(annotations, others, signatureAnnotation))
			s.attachAttestation(t, payload, others)
		}, verdict.SignatureInvalid},
		{"a statement of very many values", "CVE-2024-29902", false, stating(`"builder":"mallory"`, `"list":[`+strings.Repeat("0,", 300_000)+`0]`), verdict.LimitExceeded},
	} {
		t.Run(a.sentence, func(t *testing.T) {
			t.Parallel()
			s := newStall(t, "attested", registrytest.Options{})
			if !a.unsigned {
				s.bundle(t, acme())
			}
			a.attach(t, s)
			expect(t, a.want, s.attestedGate(t).Decide(inTime(t, harness.Patience), s.use(t, s.repo+":1.0.0")))
		})
	}
}

// TestStolenKey: a key that was retired a week ago because it was stolen. What its owner signed
// before still counts; what the thief signs now does not, whatever time the thief claims.
func TestStolenKey(t *testing.T) {
	t.Parallel()
	people := must(thePeople())(t)
	lastMonth := people.now.AddDate(0, -1, 0)
	const outside, invalid = verdict.IdentityNotAllowed, verdict.SignatureInvalid
	old := sigstore.At(lastMonth)
	signs := func(opts ...sigstore.Option) func(*testing.T, *stall) {
		return func(t *testing.T, s *stall) { s.signed(t, s.key, opts...) }
	}
	logTime := func(change func(entry map[string]any)) func(*testing.T, *stall) {
		return func(t *testing.T, s *stall) {
			s.attach(t, edit(t, s.bundleOf(t, s.key, s.digest, sigstore.WithoutTimestamp()), func(b map[string]any) {
				change(at(b, "verificationMaterial", "tlogEntries", "0"))
			}), nil)
		}
	}
	// borrowing takes the proof of time from a signature that the owner made last month: of another
	// chart, or of this one.
	borrowing := func(part, annotation string) func(*testing.T, *stall) {
		return func(t *testing.T, s *stall) {
			other, _ := s.push(t, s.repo, "0.9.0", "older")
			for _, from := range []string{other, s.digest} {
				s.attach(t, graft(t, s.bundleOf(t, s.key, s.digest), s.bundleOf(t, s.key, from, old), part), nil)
				payload, annotations := s.legacyOf(t, s.key, s.digest)
				_, donor := s.legacyOf(t, s.key, from, old)
				s.attachLegacy(t, payload, with(annotations, donor, annotation))
			}
		}
	}
	type reasons struct{ logged, unlogged verdict.Reason }
	both := func(reason verdict.Reason) reasons { return reasons{reason, reason} }
	for _, a := range []struct {
		sentence string
		attach   func(t *testing.T, s *stall)
		want     reasons // where the policy wants a log entry, and where it does not
	}{
		{"control: signed, logged and stamped last month", signs(old), both("")},
		{"control: signed and logged last month", signs(old, sigstore.WithoutTimestamp()), both("")},
		{"control: signed and stamped last month", signs(old, sigstore.WithoutLog()), reasons{invalid, ""}},
		{"signed today", signs(), both(outside)},
		{"signed today, without any proof of the time", signs(sigstore.WithoutLog(), sigstore.WithoutTimestamp()), reasons{invalid, outside}},
		{"signed today, the log's time changed", logTime(func(e map[string]any) { e["integratedTime"] = lastMonth.Unix() }), reasons{invalid, outside}},
		{"signed today, the log's time changed, and its promise removed", logTime(func(e map[string]any) {
			e["integratedTime"] = lastMonth.Unix()
			delete(e, "inclusionPromise")
		}), both(outside)},
		{"signed today, with an old log entry", borrowing("tlogEntries", entryAnnotation), reasons{invalid, outside}},
		{"signed today, with an old timestamp", borrowing("timestampVerificationData", timestampAnnotation), both(outside)},
		{"signed today, with last month's timestamp by a stranger's authority", signs(sigstore.TimestampBy(people.stranger, lastMonth)), both(outside)},
		{"signed today, logged last month in a stranger's log", func(t *testing.T, s *stall) {
			s.attach(t, must(s.stranger.Bundle(s.key, s.digest, sigstore.SignPredicateType, nil, old))(t), nil)
		}, reasons{invalid, outside}},
	} {
		for _, logged := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, log wanted: %t", a.sentence, logged), func(t *testing.T) {
				t.Parallel()
				s := newStall(t, "retired", registrytest.Options{})
				a.attach(t, s)
				retired := v1alpha1.NewTime(s.now.AddDate(0, 0, -7))
				key, want := &v1alpha1.Key{PEM: string(must(s.key.PEM())(t))}, a.want.logged
				if !logged {
					key.TransparencyLog, want = v1alpha1.TransparencyLogNotRequired, a.want.unlogged
				}
				g := s.gateOf(t, policy.Input{
					Identities: []v1alpha1.TrustedIdentity{identity("retired", v1alpha1.TrustedIdentitySpec{
						Key: key, Validity: &v1alpha1.Validity{NotAfter: retired},
					})},
					Policies: []v1alpha1.ChartPolicy{chartPolicy("retired", s.Host(), []string{"retired"})},
				})
				expect(t, want, g.Decide(inTime(t, harness.Patience), s.use(t, s.repo+":1.0.0")))
			})
		}
	}
}
