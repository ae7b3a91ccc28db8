package inventory

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// answer is what was found out about one question.
type answer struct {
	verdict verdict.Verdict
	// now is what the reference means now; zero if that is not known.
	now     artifact.Resolved
	signers []Signer
}

// about returns the verdict on the object and field of q.
func (a answer) about(q gate.Question) verdict.Verdict {
	v := a.verdict
	v.Subject.Kind, v.Subject.Namespace, v.Subject.Name, v.Subject.Field = q.Object.Kind, q.Object.Namespace, q.Object.Name, q.Field
	return v
}

// answers are those of one run, by what was asked.
type answers struct {
	mu    sync.Mutex
	known map[question]func() answer
}

func newAnswers() *answers { return &answers{known: map[question]func() answer{}} }

// once returns the answer to a question; of several callers the first one finds it.
func (a *answers) once(q question, find func() answer) answer {
	a.mu.Lock()
	found, ok := a.known[q]
	if !ok {
		found = sync.OnceValue(find)
		a.known[q] = found
	}
	a.mu.Unlock()
	return found()
}

// question is all that an answer depends on, except who asks.
type question struct {
	target string
	// kind is that of the object: what its reader can do depends on it.
	kind                 string
	deferrable, unstored bool
}

// questionOf returns the key of a question. A source without a Secret, a certificate, a proxy or a
// cloud is reached in the same way from every namespace.
func questionOf(q gate.Question) question {
	key := question{kind: q.Object.Kind, deferrable: q.Deferrable, unstored: q.Unstored}
	switch target := q.Target.(type) {
	case gate.Chart:
		auth := target.Auth
		if (auth == sourceauth.Auth{Consumer: auth.Consumer, Namespace: auth.Namespace, StoredHost: auth.StoredHost, Provider: auth.Provider}) &&
			(auth.Provider == "" || auth.Provider == "generic") {
			auth = sourceauth.Auth{}
		}
		held := gate.Artifact{}
		if target.Artifact != nil {
			held = *target.Artifact
		}
		key.target = fmt.Sprintf("%#v", []any{target.Reference, auth, held, target.Artifact != nil, fmt.Sprint(target.FromElsewhere), target.LayerRule, target.MaybeChart, target.UsedElsewhere})
	case gate.Unresolved:
		key.target = fmt.Sprintf("%#v %q", target.Reference, fmt.Sprint(target.Err))
	default:
		key.target = fmt.Sprintf("%#v", target)
	}
	return key
}

// answer asks the gate and, for a chart in a registry, what its reference means now.
func (i *Inspector) answer(ctx context.Context, q gate.Question) answer {
	return i.answers.once(questionOf(q), func() answer {
		asked, ok := q.Target.(gate.Chart)
		if !ok || !asked.Reference.Location.IsOCI() {
			return answer{verdict: i.options.Gate.Decide(ctx, q).WithoutContent()}
		}
		visit, err := i.hosts.enter(ctx, wayTo(asked))
		if err != nil {
			return i.withoutRegistry(ctx, q, err)
		}
		defer visit.leave()
		ctx, stop := context.WithTimeout(ctx, i.options.Timeout)
		defer stop()
		began := time.Now()
		found := i.ask(ctx, q)
		visit.observe(found.verdict, time.Since(began))
		return found
	})
}

// withoutRegistry answers what needs no registry, because of err.
func (i *Inspector) withoutRegistry(ctx context.Context, q gate.Question, err error) answer {
	over, stop := context.WithCancel(ctx)
	stop()
	v := i.options.Gate.Decide(over, q).WithoutContent()
	if asksInVain(v) || !i.options.Judged && v.Reason() == verdict.NoPolicy {
		v = verdict.Deny(v.Subject, verdict.FromError(err))
	}
	return answer{verdict: v}
}

// ask asks for the verdict first: what the registry has answered for it is not asked again.
func (i *Inspector) ask(ctx context.Context, q gate.Question) answer {
	v := i.options.Gate.Decide(ctx, q).WithoutContent()
	found := answer{verdict: v, signers: accepted(v)}
	if asksInVain(v) {
		return found
	}
	if i.options.Discover == nil {
		// What cannot be resolved stays unknown: the verdict says why, or is by a waiver.
		found.now, _ = i.options.Gate.Resolve(ctx, q)
		return found
	}
	discovered, err := i.options.Gate.Discover(ctx, q, *i.options.Discover)
	found.now = discovered.Resolved
	if len(discovered.Statements) > 0 {
		found.signers = signersOf(discovered.Statements)
	}
	if err = errors.Join(err, discovered.Failure); err != nil && !i.options.Judged && v.Reason() == verdict.NoPolicy {
		found.verdict = verdict.Deny(v.Subject, verdict.FromError(first(err)))
	}
	return found
}

// asksInVain reports whether the registry has failed already, so that it would fail again.
func asksInVain(v verdict.Verdict) bool {
	if v.Admits() || !v.Subject.Digest.IsZero() {
		return false
	}
	switch v.Reason() {
	case verdict.NoPolicy, verdict.NotPinned, verdict.PolicyInvalid, verdict.NotOCI:
		return false // decided before any request
	default:
		return true
	}
}

// first returns the first of joined errors: a verdict shows one.
func first(err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok && len(joined.Unwrap()) > 0 {
		return joined.Unwrap()[0]
	}
	return err
}

// accepted returns the signers for whom policies accept the chart.
func accepted(v verdict.Verdict) []Signer {
	var statements []gate.Statement
	for _, a := range v.Acceptances() {
		if a.Identity == "" {
			continue
		}
		e := a.Evidence
		statements = append(statements, gate.Statement{
			Signer: e.Signer, Predicate: e.Predicate, TrustRoot: e.TrustRoot, Logged: e.Logged, Identities: []string{a.Identity},
		})
	}
	return signersOf(statements)
}

func signersOf(statements []gate.Statement) []Signer {
	var signers []Signer
	for _, s := range statements {
		signers = append(signers, Signer{
			Key: s.Signer.Key, Issuer: s.Signer.Issuer, Subject: s.Signer.Subject, Repository: s.Signer.Claims["sourceRepositoryURI"],
			Predicate: s.Predicate, TrustRoot: s.TrustRoot, Identities: s.Identities, Unverified: s.Unverified,
			Unlogged: s.Unverified == "" && !s.Logged,
		})
	}
	return signers
}

// shown returns what a row shows of a target.
func shown(target gate.Target) chart.Reference {
	switch target := target.(type) {
	case gate.Chart:
		return target.Reference
	case gate.Repository:
		return chart.Reference{Location: target.Location}
	case gate.Unresolved:
		return target.Reference
	default:
		return chart.Reference{}
	}
}
