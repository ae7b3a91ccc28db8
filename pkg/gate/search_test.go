package gate_test

import (
	"context"
	"iter"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/verdict"
)

const pinned = "oci://ghcr.io/acme/podinfo@sha256:"

// Neither the manifest nor the attachments of a digest wait for each other.
func TestPinnedChartsAreResolvedBesideTheSearch(t *testing.T) {
	searching, resolved := make(chan struct{}), make(chan struct{})
	s := fine(t)
	resolve := s.resolve
	s.resolve = func(ctx context.Context, ref chart.Reference) (artifact.Resolved, error) {
		<-searching
		defer close(resolved)
		return resolve(ctx, ref)
	}
	s.signatures = func(_ context.Context, r artifact.Resolved) iter.Seq2[attachment.Attachment, error] {
		return func(yield func(attachment.Attachment, error) bool) {
			close(searching)
			<-resolved
			yield(attachment.Attachment{Format: attachment.Bundle}, nil)
		}
	}
	expect(t, s.gate(), use(t, pinned+strings.Repeat("a", 64)), admitted)
}

// Evidence about a digest is not enough: without a manifest that is a chart there is no admission,
// and nothing is cached. The search ends as soon as that is known.
func TestPinnedChartsThatAreNotResolved(t *testing.T) {
	for name, resolve := range map[string]func() (artifact.Resolved, error){
		"NotFound": func() (artifact.Resolved, error) {
			return artifact.Resolved{}, &problem.Error{Kind: problem.KindNotFound}
		},
		"NotAChart": func() (artifact.Resolved, error) {
			return artifact.Resolved{}, &problem.Error{Kind: problem.KindNotAChart}
		},
		"InternalError":  func() (artifact.Resolved, error) { panic("registry") },
		"DigestMismatch": func() (artifact.Resolved, error) { return artifact.Resolved{Digest: digest(t, "b")}, nil },
	} {
		for _, endless := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				s := fine(t)
				good, verified := s.resolve, make(chan struct{}, 1)
				s.verify = func(_ context.Context, d chart.Digest, _ attachment.Attachment, _ evidence.Wanted) (evidence.Evidence, error) {
					verified <- struct{}{}
					return signedBy(d, subject), nil
				}
				if endless {
					s.signatures = func(ctx context.Context, _ artifact.Resolved) iter.Seq2[attachment.Attachment, error] {
						return func(func(attachment.Attachment, error) bool) { <-ctx.Done() }
					}
				}
				s.resolve = func(_ context.Context, ref chart.Reference) (artifact.Resolved, error) {
					if !endless {
						<-verified // also if the evidence is there already
					}
					resolved, err := resolve()
					if err == nil {
						resolved.Location = ref.Location
					}
					return resolved, err
				}
				g, u := gateOver(&s), use(t, pinned+strings.Repeat("a", 64))
				v := g.Decide(t.Context(), u)
				if v.Admits() || !strings.Contains(v.Message(), name) {
					t.Errorf("want a denial with %s: %s", name, v.Message())
				}
				searches := 0
				s.resolve = good
				s.signatures = func(context.Context, artifact.Resolved) iter.Seq2[attachment.Attachment, error] {
					searches++
					return failing()
				}
				if v := g.Decide(t.Context(), u); v.Admits() || searches != 1 {
					t.Errorf("what was found before was cached: %d searches, %s", searches, v.Message())
				}
			})
		}
	}
}

func TestAGoodSignatureAmongBadOnesAdmits(t *testing.T) {
	s := fine(t)
	s.signatures = func(context.Context, artifact.Resolved) iter.Seq2[attachment.Attachment, error] {
		return func(yield func(attachment.Attachment, error) bool) {
			_ = yield(attachment.Attachment{Format: attachment.Bundle}, nil) &&
				yield(attachment.Attachment{}, errInjected) &&
				yield(attachment.Attachment{Format: attachment.Legacy}, nil)
		}
	}
	s.verify = func(_ context.Context, d chart.Digest, m attachment.Attachment, _ evidence.Wanted) (evidence.Evidence, error) {
		if m.Format == attachment.Legacy {
			return signedBy(d, subject), nil
		}
		return evidence.Evidence{}, &verdict.Rejection{Reason: verdict.SignatureInvalid, Detail: "bad"}
	}
	expect(t, s.gate(), use(t, podinfo), admitted)
}

func TestADenialIsNotCached(t *testing.T) {
	s := fine(t)
	signed := false
	s.signatures = func(context.Context, artifact.Resolved) iter.Seq2[attachment.Attachment, error] {
		if signed {
			return materials(attachment.Attachment{Format: attachment.Bundle})
		}
		return materials()
	}
	g := s.gate()
	expect(t, g, use(t, podinfo), denied(verdict.SignatureMissing))
	signed = true
	expect(t, g, use(t, podinfo), admitted) // signed, then applied again
}

// A denial names the signer of an attestation that no policy names.
func TestAStrangersAttestationIsNamed(t *testing.T) {
	s := fine(t)
	s.current = func() *policy.Set { return compile(t, requiring("acme", subject, scanned)) }
	s.verify = func(_ context.Context, d chart.Digest, _ attachment.Attachment, _ evidence.Wanted) (evidence.Evidence, error) {
		e := signedBy(d, "mallory@evil.example")
		e.Statement, e.Predicate, e.Content = evidence.Attestation, scan, []byte(`{"at": "2099-01-01T00:00:00Z"}`)
		return e, nil
	}
	v := s.gate().Decide(t.Context(), use(t, podinfo))
	if v.Admits() || v.Reason() != verdict.AttestationMissing || !strings.Contains(v.Message(), "attested: "+scan+" by subject mallory@evil.example") {
		t.Error(v.Message())
	}
}
