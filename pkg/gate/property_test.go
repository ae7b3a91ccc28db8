package gate_test

import (
	"context"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// injection replaces one step of a decision by one that goes wrong.
type injection struct {
	name   string
	inject func(testing.TB, *steps)
	// search is set for faults in the search for signatures, which a chart that is
	// cached does without.
	search bool
}

// injections are all ways in which each step can go wrong.
func injections() []injection {
	list := []injection{
		{"the policies are not loaded", func(_ testing.TB, s *steps) { s.current = func() *policy.Set { return nil } }, false},
		{"loading the policies panics", func(_ testing.TB, s *steps) { s.current = func() *policy.Set { panic("injected") } }, false},
		{"there is no policy", func(_ testing.TB, s *steps) { s.current = func() *policy.Set { return &policy.Set{} } }, false},
		{"the clock panics", func(_ testing.TB, s *steps) { s.now = func() time.Time { panic("injected") } }, false},
		{"the trust root's state panics", func(_ testing.TB, s *steps) { s.state = func() string { panic("injected") } }, false},
		{"resolving panics", func(_ testing.TB, s *steps) {
			s.resolve = func(context.Context, chart.Reference) (artifact.Resolved, error) { panic("injected") }
		}, false},
		{"resolving finds nothing and says nothing", func(_ testing.TB, s *steps) {
			s.resolve = func(context.Context, chart.Reference) (artifact.Resolved, error) { return artifact.Resolved{}, nil }
		}, false},
		{"resolving finds another chart", func(t testing.TB, s *steps) {
			s.resolve = func(context.Context, chart.Reference) (artifact.Resolved, error) {
				return artifact.Resolved{Location: reference(t, "oci://evil.example/acme/podinfo:1.0.0").Location, Digest: digest(t, "a")}, nil
			}
		}, false},
		{"there is no signature", func(_ testing.TB, s *steps) {
			s.signatures = func(context.Context, artifact.Resolved) iter.Seq2[attachment.Attachment, error] { return materials() }
		}, true},
		{"fetching signatures panics", func(_ testing.TB, s *steps) {
			s.signatures = func(context.Context, artifact.Resolved) iter.Seq2[attachment.Attachment, error] { panic("injected") }
		}, true},
		{"fetching signatures panics in the middle", func(_ testing.TB, s *steps) {
			s.signatures = func(context.Context, artifact.Resolved) iter.Seq2[attachment.Attachment, error] {
				return func(func(attachment.Attachment, error) bool) { panic("injected") }
			}
		}, true},
		{"verifying panics", func(_ testing.TB, s *steps) {
			s.verify = func(context.Context, chart.Digest, attachment.Attachment, evidence.Wanted) (evidence.Evidence, error) {
				panic("injected")
			}
		}, true},
		{"verifying proves nothing and says nothing", func(_ testing.TB, s *steps) {
			s.verify = func(context.Context, chart.Digest, attachment.Attachment, evidence.Wanted) (evidence.Evidence, error) {
				return evidence.Evidence{}, nil
			}
		}, true},
		{"the evidence is about another digest", func(t testing.TB, s *steps) { s.verify = proving(signedBy(digest(t, "c"), subject)) }, true},
		{"the evidence is a stranger's", func(t testing.TB, s *steps) { s.verify = proving(signedBy(digest(t, "a"), "mallory@evil.example")) }, true},
		{"the evidence is an attestation", func(t testing.TB, s *steps) {
			e := evidence.New(digest(t, "a"), evidence.Attestation, evidence.Signer{Issuer: issuer, Subject: subject})
			e.Logged = true
			s.verify = proving(e)
		}, true},
	}
	for _, err := range everyError() {
		list = append(list,
			injection{fmt.Sprintf("resolving fails: %v", err), func(_ testing.TB, s *steps) {
				s.resolve = func(context.Context, chart.Reference) (artifact.Resolved, error) { return artifact.Resolved{}, err }
			}, false},
			injection{fmt.Sprintf("fetching signatures fails: %v", err), func(_ testing.TB, s *steps) {
				s.signatures = func(context.Context, artifact.Resolved) iter.Seq2[attachment.Attachment, error] { return failing(err) }
			}, true},
			injection{fmt.Sprintf("verifying fails: %v", err), func(_ testing.TB, s *steps) {
				s.verify = func(context.Context, chart.Digest, attachment.Attachment, evidence.Wanted) (evidence.Evidence, error) {
					return evidence.Evidence{}, err
				}
			}, true})
	}
	return list
}

func proving(e evidence.Evidence) func(context.Context, chart.Digest, attachment.Attachment, evidence.Wanted) (evidence.Evidence, error) {
	return func(context.Context, chart.Digest, attachment.Attachment, evidence.Wanted) (evidence.Evidence, error) {
		return e, nil
	}
}

// everyError is one error of each kind, and some of no kind.
func everyError() []error {
	errs := []error{errInjected, context.DeadlineExceeded, context.Canceled, &verdict.Rejection{Reason: verdict.SignatureInvalid, Detail: "rejected"}}
	for kind := problem.KindInternal; kind <= problem.KindNotStored; kind++ {
		errs = append(errs, &problem.Error{Kind: kind, Detail: fmt.Sprintf("kind %d", kind)})
	}
	return errs
}

func TestASignedChartIsAdmitted(t *testing.T) {
	v := fine(t).gate().Decide(t.Context(), use(t, "oci://ghcr.io/acme/podinfo:1.0.0"))
	if !v.Admits() || v.String() != "Verified" {
		t.Fatalf("got %s: %s", v, v.Message())
	}
}

// No fault admits, at one step or at two.
func TestNoFaultAdmits(t *testing.T) {
	all := injections()
	references := []string{"oci://ghcr.io/acme/podinfo:1.0.0", "oci://ghcr.io/acme/podinfo@" + digest(t, "a").String()}
	for i, first := range all {
		t.Run(first.name, func(t *testing.T) {
			for _, second := range all[i:] {
				for _, text := range references {
					s := fine(t)
					first.inject(t, &s)
					second.inject(t, &s)
					v := s.gate().Decide(t.Context(), use(t, text))
					if v.Admits() || v.Reason() == "" || v.Message() == "" {
						t.Fatalf("with %q as well, %s: got %s: %s", second.name, text, v, v.Message())
					}
				}
			}
		})
	}
}

// A fault after a chart was verified and cached denies too, unless the fault is
// in a step that the digest makes unnecessary.
func TestNoFaultAdmitsACachedTag(t *testing.T) {
	for _, fault := range injections() {
		t.Run(fault.name, func(t *testing.T) {
			s := fine(t)
			g := gateOver(&s)
			expect(t, g, use(t, "oci://ghcr.io/acme/podinfo:1.0.0"), admitted)
			fault.inject(t, &s)
			v := g.Decide(t.Context(), use(t, "oci://ghcr.io/acme/podinfo:1.0.0"))
			if v.Admits() != fault.search {
				t.Fatalf("got %s: %s", v, v.Message())
			}
		})
	}
}
