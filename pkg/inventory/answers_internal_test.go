package inventory

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// TestEqualQuestions: two objects ask the same only if nothing differs on which the answer depends.
func TestEqualQuestions(t *testing.T) {
	ask := func(with ...func(*gate.Question, *gate.Chart)) gate.Question {
		q := gate.Question{Object: gate.Object{Kind: "HelmRelease", Namespace: "apps", Name: "web"}, Field: "spec.chart.spec"}
		target := gate.Chart{Auth: sourceauth.Auth{Namespace: "apps"}}
		for _, set := range with {
			set(&q, &target)
		}
		q.Target = target
		return q
	}
	withSecret := func(_ *gate.Question, c *gate.Chart) { c.Auth.Secret = "login" }
	elsewhere := func(_ *gate.Question, c *gate.Chart) { c.Auth.Namespace = "other" }
	for _, c := range []struct {
		sentence string
		a, b     gate.Question
		same     bool
	}{
		{"another object", ask(), ask(func(q *gate.Question, _ *gate.Chart) {
			q.Object.Namespace, q.Object.Name, q.Field = "other", "x", "spec.chartRef"
		}), true},
		{"a source in another namespace, without a login", ask(), ask(elsewhere), true},
		{"a source of the provider generic", ask(), ask(func(_ *gate.Question, c *gate.Chart) { c.Auth.Provider = "generic" }), true},
		{"a source of a cloud", ask(), ask(func(_ *gate.Question, c *gate.Chart) { c.Auth.Provider = "aws" }), false},
		{"a source with a login", ask(), ask(withSecret), false},
		{"two sources with logins of the same name, in two namespaces", ask(withSecret), ask(withSecret, elsewhere), false},
		{"an object of another kind", ask(), ask(func(q *gate.Question, _ *gate.Chart) { q.Object.Kind = "HelmChart" }), false},
		{"one that can be deferred", ask(), ask(func(q *gate.Question, _ *gate.Chart) { q.Deferrable = true }), false},
		{"one that is not stored yet", ask(), ask(func(q *gate.Question, _ *gate.Chart) { q.Unstored = true }), false},
		{"a source that holds something, of which it tells nothing", ask(), ask(func(_ *gate.Question, c *gate.Chart) { c.Artifact = &gate.Artifact{} }), false},
		{"a source that holds a chart from elsewhere", ask(), ask(func(_ *gate.Question, c *gate.Chart) { c.FromElsewhere = errors.New("no") }), false},
		{"what may be no chart", ask(), ask(func(_ *gate.Question, c *gate.Chart) { c.MaybeChart = true }), false},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			if same := questionOf(c.a) == questionOf(c.b); same != c.same {
				t.Errorf("it is the same question: %t, want %t", same, c.same)
			}
		})
	}
}

// TestAsksInVain: where the registry has failed for the verdict, it is not asked for the digest.
func TestAsksInVain(t *testing.T) {
	resolved := verdict.Subject{Digest: digest(t, digestA)}
	waived := verdict.Admit(verdict.Subject{}, []verdict.Acceptance{{Policy: "p", Waiver: "w"}})
	deny := func(s verdict.Subject, reason verdict.Reason) verdict.Verdict {
		return verdict.Deny(s, verdict.Denial{Reason: reason})
	}
	for _, c := range []struct {
		sentence string
		v        verdict.Verdict
		want     bool
	}{
		{"it did not answer", deny(verdict.Subject{}, verdict.Timeout), true},
		{"it answered, and the chart is not signed", deny(resolved, verdict.SignatureMissing), false},
		{"a waiver asked nothing", waived, false},
		{"no policy matched, so that nothing was asked", deny(verdict.Subject{}, verdict.NoPolicy), false},
		{"the reference was not pinned enough to ask", deny(verdict.Subject{}, verdict.NotPinned), false},
		{"the policy could not be evaluated", deny(verdict.Subject{}, verdict.PolicyInvalid), false},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			if got := asksInVain(c.v); got != c.want {
				t.Errorf("%t, want %t", got, c.want)
			}
		})
	}
}

// TestSigners: what a row says of them.
func TestSigners(t *testing.T) {
	by := evidence.Signer{Issuer: "i", Subject: "s", Claims: map[string]string{"sourceRepositoryURI": "r"}}
	for _, c := range []struct {
		sentence string
		of       gate.Statement
		want     Signer
	}{
		{"a signature in a log", gate.Statement{Signer: by, TrustRoot: "default", Logged: true}, Signer{Issuer: "i", Subject: "s", Repository: "r", TrustRoot: "default"}},
		{"a signature in no log", gate.Statement{Signer: by, TrustRoot: "default"}, Signer{Issuer: "i", Subject: "s", Repository: "r", TrustRoot: "default", Unlogged: true}},
		{"one that could not be verified, so that its log is not known", gate.Statement{Signer: by, Unverified: "x"}, Signer{Issuer: "i", Subject: "s", Repository: "r", Unverified: "x"}},
		{"an attestation", gate.Statement{Signer: by, Logged: true, Predicate: "p", Identities: []string{"a"}}, Signer{Issuer: "i", Subject: "s", Repository: "r", Predicate: "p", Identities: []string{"a"}}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			if diff := cmp.Diff([]Signer{c.want}, signersOf([]gate.Statement{c.of})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
