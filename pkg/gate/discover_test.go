package gate_test

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// attached are attachments, and what the verifier says of each.
type attached []func(chart.Digest) (evidence.Evidence, error)

// carrying makes of the steps some whose charts carry these attachments.
func carrying(s *steps, all attached) {
	s.signatures = func(context.Context, artifact.Resolved) iter.Seq2[attachment.Attachment, error] {
		var list []attachment.Attachment
		for i := range all {
			list = append(list, attachment.Attachment{Format: attachment.Bundle, Content: []byte{byte(i)}})
		}
		return materials(list...)
	}
	s.verify = func(_ context.Context, d chart.Digest, m attachment.Attachment, _ evidence.Wanted) (evidence.Evidence, error) {
		return all[m.Content[0]](d)
	}
}

// by is an attachment that the verifier has verified.
func by(who string) func(chart.Digest) (evidence.Evidence, error) {
	return func(d chart.Digest) (evidence.Evidence, error) { return signedBy(d, who), nil }
}

// byKey is a signature by a key; one that is logged is proven by a trust root.
func byKey(key, trustRoot string) func(chart.Digest) (evidence.Evidence, error) {
	return func(d chart.Digest) (evidence.Evidence, error) {
		e := evidence.New(d, evidence.ChartSignature, evidence.Signer{Key: key})
		e.TrustRoot, e.Logged = trustRoot, trustRoot != ""
		return e, nil
	}
}

// claiming is an attachment that proves nothing.
func claiming(who, why string) func(chart.Digest) (evidence.Evidence, error) {
	return func(chart.Digest) (evidence.Evidence, error) {
		return evidence.Evidence{}, &verdict.Rejection{Reason: verdict.SignatureInvalid, Detail: why, Claims: evidence.Signer{Issuer: issuer, Subject: who}}
	}
}

// lines are the statements as a test compares them.
func lines(found gate.Discovered) []string {
	var all []string
	for _, s := range found.Statements {
		line := s.Signer.String()
		for _, part := range []string{s.Predicate, strings.Join(s.Identities, "+"), s.Unverified} {
			if part != "" {
				line += "; " + part
			}
		}
		if s.Unverified == "" && !s.Logged {
			line += "; not logged"
		}
		all = append(all, line)
	}
	return all
}

func TestDiscover(t *testing.T) {
	attestation := func(d chart.Digest) (evidence.Evidence, error) {
		e := signedBy(d, "ci@acme.example")
		e.Statement, e.Predicate = evidence.Attestation, scan
		return e, nil
	}
	named := func(who string) string { return evidence.Signer{Issuer: issuer, Subject: who}.String() }
	const key = "sha256:aa"
	inLog, outside := byKey(key, evidence.DefaultTrustRoot), byKey(key, "")
	for _, c := range []struct {
		sentence string
		attached attached
		want     []string
	}{
		{"nothing", nil, nil},
		{"the signer that a policy trusts has its name", attached{by(subject)}, []string{named(subject) + "; acme-id"}},
		{"a stranger has none", attached{by("mallory@evil.example")}, []string{named("mallory@evil.example")}},
		{"an attestation names its predicate", attached{attestation}, []string{named("ci@acme.example") + "; " + scan}},
		{"what proves nothing is what it says of itself", attached{claiming("ops@corp", "of an unknown authority")}, []string{named("ops@corp") + "; of an unknown authority"}},
		{"all signers, in the order of the registry", attached{by("b@x"), by("a@x")}, []string{named("b@x"), named("a@x")}},
		{"a signer who signed twice is one", attached{by(subject), by(subject)}, []string{named(subject) + "; acme-id"}},
		{"a signature by a key, in a log", attached{inLog}, []string{"key " + key}},
		{"a signature by a key, in no log", attached{outside}, []string{"key " + key + "; not logged"}},
		{"a log entry says more than none", attached{outside, inLog}, []string{"key " + key}},
		{"and none says nothing more", attached{inLog, outside}, []string{"key " + key}},
		{"of two logs, both are named", attached{inLog, byKey(key, "corp")}, []string{"key " + key, "key " + key}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			s := fine(t)
			carrying(&s, c.attached)
			found, err := s.gate().Discover(t.Context(), use(t, podinfo), evidence.Wanted{})
			if err != nil || found.Failure != nil || found.Resolved.Digest != digest(t, "a") {
				t.Fatalf("%v, %+v", err, found)
			}
			if diff := cmp.Diff(c.want, lines(found)); diff != "" {
				t.Errorf("statements (-want +got):\n%s", diff)
			}
		})
	}
}

// Anyone who can push may attach signatures without end: those that prove nothing are cut off, and
// hide none that was verified.
func TestAttackSignaturesWithoutEnd(t *testing.T) {
	var all attached
	for i := range 120 {
		all = append(all, claiming(fmt.Sprintf("mallory-%d", i), "forged"))
	}
	s := fine(t)
	carrying(&s, append(all, by(subject)))
	found, err := s.gate().Discover(t.Context(), use(t, podinfo), evidence.Wanted{})
	if err != nil {
		t.Fatal(err)
	}
	if last := found.Statements[len(found.Statements)-1]; len(found.Statements) != 51 || last.Signer.Subject != subject || last.Unverified != "" {
		t.Errorf("%d statements, the last is %+v", len(found.Statements), last)
	}
}

// What is attached and could not be read is a failure beside what could be.
func TestDiscoverWhatCannotBeRead(t *testing.T) {
	s := fine(t)
	s.signatures = func(context.Context, artifact.Resolved) iter.Seq2[attachment.Attachment, error] {
		return func(yield func(attachment.Attachment, error) bool) {
			_ = yield(attachment.Attachment{}, errInjected) && yield(attachment.Attachment{Unread: true}, nil) && yield(attachment.Attachment{Format: attachment.Bundle}, nil)
		}
	}
	found, err := s.gate().Discover(t.Context(), use(t, podinfo), evidence.Wanted{})
	if err != nil || found.Failure != errInjected || len(found.Statements) != 1 || found.Statements[0].Signer.Subject != subject {
		t.Errorf("%v, %+v", err, found)
	}
}

// Discover asks a registry that no policy names, which Resolve does not.
func TestDiscoverAsksAnyRegistry(t *testing.T) {
	s := fine(t)
	asked := 0
	s.asked = func(attachment.Search) { asked++ }
	elsewhere := use(t, "oci://quay.io/other/chart:1.0.0")
	if _, err := s.gate().Resolve(t.Context(), elsewhere); err == nil || asked != 0 {
		t.Errorf("Resolve: %v, after %d questions", err, asked)
	}
	if found, err := s.gate().Discover(t.Context(), elsewhere, evidence.Wanted{}); err != nil || asked == 0 || len(found.Statements) != 1 {
		t.Errorf("Discover: %v, after %d questions: %+v", err, asked, found)
	}
}

func TestNothingToDiscover(t *testing.T) {
	for _, c := range []struct {
		sentence string
		question gate.Question
		change   func(*steps)
		says     string
	}{
		{"the policies are not loaded", use(t, podinfo), func(s *steps) { s.current = always(nil) }, "the policies have not been loaded yet"},
		{"the question names a repository", gate.Question{Target: gate.Repository{}}, nil, "the question names no chart"},
		{"the question names nothing", gate.Question{Target: gate.Chart{}}, nil, "the question names no chart"},
		{"the chart is in no OCI registry", use(t, "https://charts.example.com/web:1.0.0"), nil, "is not in an OCI registry"},
		{"the registry does not answer", use(t, podinfo), func(s *steps) {
			s.resolve = func(context.Context, chart.Reference) (artifact.Resolved, error) {
				return artifact.Resolved{}, errInjected
			}
		}, "injected"},
		{"the verifier panics", use(t, podinfo), func(s *steps) {
			s.verify = func(context.Context, chart.Digest, attachment.Attachment, evidence.Wanted) (evidence.Evidence, error) {
				panic("boom")
			}
		}, "panic: boom"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			s := fine(t)
			if c.change != nil {
				c.change(&s)
			}
			found, err := s.gate().Discover(t.Context(), c.question, evidence.Wanted{})
			if err == nil || !strings.Contains(err.Error(), c.says) || len(found.Statements) != 0 {
				t.Errorf("%v, %+v", err, found)
			}
		})
	}
}

// The verifier is asked for the attestations that the policies of the chart are about, whatever a
// scan wants to recognize.
func TestDiscoverWantsWhatPoliciesWant(t *testing.T) {
	s := fine(t)
	s.current = func() *policy.Set { return compile(t, requiring("acme", subject, scanned)) }
	var wanted evidence.Wanted
	s.verify = func(_ context.Context, d chart.Digest, _ attachment.Attachment, w evidence.Wanted) (evidence.Evidence, error) {
		wanted = w
		return signedBy(d, subject), nil
	}
	if _, err := s.gate().Discover(t.Context(), use(t, podinfo), evidence.Wanted{Keyless: []string{"corp"}}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(evidence.Wanted{Keyless: []string{"corp"}, Predicates: []string{scan}}, wanted); diff != "" {
		t.Errorf("wanted (-want +got):\n%s", diff)
	}
}
