package gate_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	"github.com/chartgate/chartgate/pkg/verdict"
)

const podinfo = "oci://ghcr.io/acme/podinfo:1.0.0"

// outcome is what a test compares of a verdict.
type outcome struct {
	Verdict string
	Reason  verdict.Reason
}

var admitted = outcome{"Verified", ""}

func denied(reason verdict.Reason) outcome { return outcome{"Denied", reason} }

// expect decides, and compares the outcome.
func expect(t *testing.T, g *gate.Gate, q gate.Question, want outcome) {
	t.Helper()
	v := g.Decide(t.Context(), q)
	if diff := cmp.Diff(want, outcome{v.String(), v.Reason()}); diff != "" {
		t.Errorf("outcome (-want +got):\n%s%s", diff, v.Message())
	}
}

// expectTwice decides twice, the second time by what is cached, if anything is.
func expectTwice(t *testing.T, g *gate.Gate, q gate.Question, want outcome) {
	t.Helper()
	expect(t, g, q, want)
	expect(t, g, q, want)
}

const scan = "https://cosign.sigstore.dev/attestation/vuln/v1"

// scanned is a policy that wants a scan of the last week.
func scanned(p *v1alpha1.ChartPolicy) {
	p.Spec.Require[0].Attestation = &v1alpha1.Attestation{
		PredicateType: scan,
		Conditions:    []v1alpha1.Condition{{CEL: `now - timestamp(predicate.at) < duration("168h")`, Message: "the scan is old"}},
	}
}

// attesting makes of the steps some whose charts carry an attestation with the content.
func attesting(s *steps, content string, verified *int) {
	s.verify = func(_ context.Context, d chart.Digest, _ attachment.Attachment, _ evidence.Wanted) (evidence.Evidence, error) {
		*verified++
		e := signedBy(d, subject)
		e.Statement, e.Predicate, e.Content = evidence.Attestation, scan, []byte(content)
		return e, nil
	}
}

func always(set *policy.Set) func() *policy.Set { return func() *policy.Set { return set } }

// The steps of a decision, each a function that a test can replace.
type steps struct {
	current    func() *policy.Set
	resolve    func(context.Context, chart.Reference) (artifact.Resolved, error)
	signatures func(context.Context, artifact.Resolved) iter.Seq2[attachment.Attachment, error]
	state      func() string
	verify     func(context.Context, chart.Digest, attachment.Attachment, evidence.Wanted) (evidence.Evidence, error)
	archive    func(context.Context, artifact.Resolved) ([]byte, error)
	tags       func(context.Context, chart.Location) ([]string, error)
	asked      func(attachment.Search) // what the registry is asked, and by which access
	now        func() time.Time
}

func (s steps) Current() *policy.Set { return s.current() }

func (s steps) Resolve(ctx context.Context, ref chart.Reference, access sourceauth.Auth) (artifact.Resolved, error) {
	s.asked(attachment.Search{Access: access})
	return s.resolve(ctx, ref)
}

func (s steps) Artifact(ctx context.Context, ref chart.Reference, access sourceauth.Auth, by artifact.LayerRule) (artifact.Resolved, error) {
	s.asked(attachment.Search{Access: access})
	found, err := s.resolve(ctx, ref)
	if err == nil && !by.Anything() && !found.Other && found.CheckLayer(by) != nil {
		found.Other, found.Layer = true, chart.Digest{}
	}
	return found, err
}

func (s steps) Signatures(ctx context.Context, r artifact.Resolved, search attachment.Search) iter.Seq2[attachment.Attachment, error] {
	s.asked(search)
	return s.signatures(ctx, r)
}

func (s steps) Archive(ctx context.Context, r artifact.Resolved, access sourceauth.Auth) ([]byte, error) {
	s.asked(attachment.Search{Access: access})
	return s.archive(ctx, r)
}

func (s steps) Tags(ctx context.Context, at chart.Location) ([]string, error) {
	s.asked(attachment.Search{})
	return s.tags(ctx, at)
}

func (s steps) State(context.Context, evidence.Wanted) string { return s.state() }

func (s steps) Verify(ctx context.Context, d chart.Digest, m attachment.Attachment, w evidence.Wanted) ([]evidence.Evidence, error) {
	proven, err := s.verify(ctx, d, m, w)
	if err != nil {
		return nil, err
	}
	return []evidence.Evidence{proven}, nil
}

func (s steps) gate() *gate.Gate { return gate.New(s, s, s, s.now) }

const (
	issuer  = "https://issuer.example"
	subject = "release@acme.example"
)

var today = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func digest(t testing.TB, digit string) chart.Digest {
	t.Helper()
	d, err := chart.ParseDigest("sha256:" + strings.Repeat(digit, 64))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func reference(t testing.TB, text string) chart.Reference {
	t.Helper()
	ref, err := chart.ParseReference(text)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// use is a HelmRelease's use of a chart, after changes of it.
func use(t testing.TB, text string, changes ...func(*gate.Chart)) gate.Question {
	found := gate.Chart{Reference: reference(t, text)}
	for _, change := range changes {
		change(&found)
	}
	return gate.Question{Object: gate.Object{Kind: "HelmRelease", Namespace: "apps", Name: "podinfo"}, Field: "spec.chart.spec", Target: found}
}

func reachedBy(access sourceauth.Auth) func(*gate.Chart) {
	return func(c *gate.Chart) { c.Auth = access }
}

func holding(a *gate.Artifact) func(*gate.Chart) { return func(c *gate.Chart) { c.Artifact = a } }

// signedBy is evidence of a keyless signature of the chart with this digest.
func signedBy(d chart.Digest, who string) evidence.Evidence {
	e := evidence.New(d, evidence.ChartSignature, evidence.Signer{Issuer: issuer, Subject: who})
	e.Logged, e.TrustRoot = true, evidence.DefaultTrustRoot
	return e
}

// fine are steps by which a signed chart is admitted.
func fine(t testing.TB) steps {
	return steps{
		current: func() *policy.Set { return compile(t, requiring("acme", subject)) },
		resolve: func(_ context.Context, ref chart.Reference) (artifact.Resolved, error) {
			return artifact.Resolved{Location: ref.Location, Digest: digest(t, "a"), Layer: digest(t, "b")}, nil
		},
		signatures: func(context.Context, artifact.Resolved) iter.Seq2[attachment.Attachment, error] {
			return materials(attachment.Attachment{Format: attachment.Bundle})
		},
		state: func() string { return "root" },
		verify: func(_ context.Context, d chart.Digest, _ attachment.Attachment, _ evidence.Wanted) (evidence.Evidence, error) {
			return signedBy(d, subject), nil
		},
		archive: func(context.Context, artifact.Resolved) ([]byte, error) { return nil, errInjected },
		tags:    func(context.Context, chart.Location) ([]string, error) { return nil, errInjected },
		asked:   func(attachment.Search) {},
		now:     func() time.Time { return today },
	}
}

func materials(list ...attachment.Attachment) iter.Seq2[attachment.Attachment, error] {
	return func(yield func(attachment.Attachment, error) bool) {
		for _, m := range list {
			if !yield(m, nil) {
				return
			}
		}
	}
}

func failing(errs ...error) iter.Seq2[attachment.Attachment, error] {
	return func(yield func(attachment.Attachment, error) bool) {
		for _, err := range errs {
			if !yield(attachment.Attachment{}, err) {
				return
			}
		}
	}
}

// requiring is a policy on oci://ghcr.io/acme/** that requires a signature by who.
func requiring(name, who string, change ...func(*v1alpha1.ChartPolicy)) policy.Input {
	p := v1alpha1.ChartPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.ChartPolicySpec{
			Match:   v1alpha1.Match{Charts: []string{"oci://ghcr.io/acme/**"}},
			Require: []v1alpha1.Requirement{{AnyOf: []string{name + "-id"}}},
		},
	}
	for _, c := range change {
		c(&p)
	}
	return policy.Input{
		Identities: []v1alpha1.TrustedIdentity{{
			ObjectMeta: metav1.ObjectMeta{Name: name + "-id"},
			Spec:       v1alpha1.TrustedIdentitySpec{Keyless: &v1alpha1.Keyless{Issuer: issuer, Subject: who}},
		}},
		Policies: []v1alpha1.ChartPolicy{p},
	}
}

func warnOnly(p *v1alpha1.ChartPolicy) { p.Spec.Mode = v1alpha1.ModeWarn }

func vendored(p *v1alpha1.ChartPolicy) { p.Spec.Dependencies = v1alpha1.DependenciesVendored }

func floating(p *v1alpha1.ChartPolicy) { p.Spec.Pinning = v1alpha1.PinningFloating }

func unverified(until string) func(*v1alpha1.ChartPolicy) {
	return func(p *v1alpha1.ChartPolicy) {
		p.Spec.Require = nil
		p.Spec.AllowUnverified = &v1alpha1.AllowUnverified{Reason: "migration", Until: until}
	}
}

func compile(t testing.TB, inputs ...policy.Input) *policy.Set {
	t.Helper()
	var all policy.Input
	for _, in := range inputs {
		all.Identities = append(all.Identities, in.Identities...)
		all.Policies = append(all.Policies, in.Policies...)
	}
	set, report := policy.Compile(all)
	for _, errs := range []map[string]error{report.Identities, report.Policies} {
		for name, err := range errs {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return set
}

var errInjected = errors.New("injected")

// gateOver returns a gate over steps that may change while it lives.
func gateOver(s *steps) *gate.Gate {
	live := steps{
		current: func() *policy.Set { return s.current() },
		resolve: func(ctx context.Context, ref chart.Reference) (artifact.Resolved, error) { return s.resolve(ctx, ref) },
		signatures: func(ctx context.Context, r artifact.Resolved) iter.Seq2[attachment.Attachment, error] {
			return s.signatures(ctx, r)
		},
		state: func() string { return s.state() },
		verify: func(ctx context.Context, d chart.Digest, m attachment.Attachment, w evidence.Wanted) (evidence.Evidence, error) {
			return s.verify(ctx, d, m, w)
		},
		archive: func(ctx context.Context, r artifact.Resolved) ([]byte, error) { return s.archive(ctx, r) },
		asked:   func(search attachment.Search) { s.asked(search) },
		now:     func() time.Time { return s.now() },
	}
	return live.gate()
}
