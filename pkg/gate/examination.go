package gate

import (
	"context"
	"errors"
	"fmt"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/coalesce"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// examination finds out about one chart for one use of it. It is immutable, and returns what it
// finds: a search that other admissions wait for too goes on when this one has given up.
type examination struct {
	admission
	gate      *Gate
	chart     Chart           // as it is asked for
	reference chart.Reference // the content that becomes deployable
	access    sourceauth.Auth
	as        artifactKind
	policies  policy.Matched // those that evidence must satisfy
}

// artifactKind is what a consumer takes: the zero value is a chart and nothing else.
type artifactKind struct {
	any bool
	by  artifact.LayerRule
}

// examined is what was found out about a chart, and how the policies judge it.
type examined struct {
	resolved artifact.Resolved
	findings verdict.Findings
	// dependencies are known only where a policy asks about them.
	dependencies dependencies
	judgement    *policy.Judgement
	// by is the examination whose policies and time the judgement is by.
	by *examination
}

func (g *Gate) newExamination(by admission, asked Chart) *examination {
	x := &examination{
		admission: by, gate: g, chart: asked, reference: asked.Reference, access: asked.Auth,
		policies: by.set.For(asked.Reference.Location),
	}
	if asked.Artifact != nil && !asked.Artifact.Manifest.IsZero() {
		x.reference.Selector = x.reference.Selector.At(asked.Artifact.Manifest)
	}
	if asked.MaybeChart || asked.LayerRule.Anything() {
		x.as = artifactKind{any: true, by: asked.LayerRule}
	}
	x.access.NamedHost = ""
	if host := asked.Reference.Location.Host(); x.access.Consumer != 0 && x.policies.NamesHost(host) {
		x.access.NamedHost = host
	}
	return x
}

// only returns the examination for some of its policies.
func (x *examination) only(some []*policy.Policy) *examination {
	narrowed := *x
	narrowed.policies = x.policies.Only(some)
	return &narrowed
}

// examine resolves the reference and searches for evidence that satisfies the policies. Only a
// chart that every policy accepted is cached, by its digest: which digest a tag means is asked
// each time, and a denial is never cached, so that "sign, then apply again" works at once. The
// consumer is not part of the key: signatures hold for every consumer. What is not a chart has a
// key of its own, so that it never passes for a chart.
func (x *examination) examine(ctx context.Context) (*examined, error) {
	key := cacheKey{
		location:   x.reference.Location,
		identities: x.policies.Fingerprint(),
		trustRoots: x.gate.verifier.State(ctx, x.policies.Wanted()),
	}
	found, outdated := x.cachedWithoutRequest(key)
	if found != nil {
		x.gate.verified.hits.Add(1)
		return found, nil
	}
	if digest, pinned := x.reference.Selector.Digest(); pinned {
		key.digest = digest
		return x.examinePinned(ctx, key, outdated)
	}
	resolved, err := x.resolve(ctx)
	if err != nil {
		return nil, err
	}
	key.digest = resolved.Digest
	if resolved.Other {
		key.as = x.as
	}
	if known := x.gate.verified.get(key); known != outdated {
		found, outdated = x.judgeCached(known), known
	}
	if found != nil {
		x.gate.verified.hits.Add(1)
	} else {
		s := &search{x: x, task: task{key: key, access: x.access}, outdated: outdated}
		s.resolve = func(context.Context, *coalesce.Callers) (artifact.Resolved, error) { return resolved, nil }
		if found, err = s.run(ctx); err != nil {
			return nil, err
		}
	}
	return x.own(*found, resolved), nil
}

// examinePinned examines a chart whose digest the reference names. The digest is all that a search
// needs, so the manifest and the attachments are requested at the same time.
func (x *examination) examinePinned(ctx context.Context, key cacheKey, outdated *verifiedChart) (*examined, error) {
	key.as = x.as // whether it is a chart is known at the end
	s := &search{x: x, task: task{key: key, access: x.access, dryRun: x.question.Asker.DryRun}, resolve: x.resolveFor, outdated: outdated}
	if known, ok := x.resolvedRecently(); ok {
		s.resolve = func(context.Context, *coalesce.Callers) (artifact.Resolved, error) { return known, nil }
	}
	found, err := s.run(ctx)
	if err != nil {
		return nil, err
	}
	resolved := found.resolved
	resolved.Tag = "" // another admission may have come to the digest by a tag
	return x.own(*found, resolved), nil
}

// own returns what was found for this admission: its tag may have led to the digest in another way,
// and its own policies and time judge.
func (x *examination) own(found examined, resolved artifact.Resolved) *examined {
	found.resolved = resolved
	if found.by != x {
		found.by, found.judgement = x, x.judge(found)
	}
	return &found
}

// judge lets the policies judge all evidence that was found.
func (x *examination) judge(found examined) *policy.Judgement {
	judgement := x.policies.Judge(found.resolved.Digest, x.now)
	judgement.Add(found.findings.Evidence...)
	return judgement
}

// cachedWithoutRequest returns the chart if it is cached by what is known of it before the registry
// is asked. If its policies no longer accept what is cached, it returns that as outdated.
//
// What a source has stored is going to be deployed, even if its tag has moved since: a chart that
// is cached with this very archive is not asked for again.
func (x *examination) cachedWithoutRequest(key cacheKey) (found *examined, outdated *verifiedChart) {
	digest, pinned := x.reference.Selector.Digest()
	if held := x.chart.Artifact; !pinned && held.stored() {
		digest = x.gate.verified.digestOf(key, held.Archive)
	}
	if digest.IsZero() {
		return nil, nil
	}
	key.digest = digest
	if known := x.gate.verified.get(key); known != nil && (!x.as.any || known.resolved.CheckLayer(x.as.by) == nil) {
		if found = x.judgeCached(known); found != nil {
			return found, nil
		}
		outdated = known
	}
	if x.as.any {
		key.as = x.as
		if known := x.gate.verified.get(key); known != nil {
			return x.judgeCached(known), known
		}
	}
	return nil, outdated
}

// judgeCached returns what is cached of a chart if every policy accepts it now. A scan that has
// grown old since may have been followed by a new one, so that is searched for.
func (x *examination) judgeCached(known *verifiedChart) *examined {
	if known == nil {
		return nil
	}
	found := known.examined()
	found.by, found.judgement = x, x.judge(found)
	if !found.judgement.Accepted() {
		return nil
	}
	return &found
}

// lookup is what a registry is asked: what a reference means to those who reach it so.
type lookup struct {
	reference chart.Reference
	access    sourceauth.Auth
	as        artifactKind
}

// resolve asks the registry; concurrent equal lookups share one answer. A dry run, which stores
// nothing, may get an answer of a moment ago instead.
func (x *examination) resolve(ctx context.Context) (artifact.Resolved, error) {
	if known, ok := x.resolvedRecently(); ok {
		return known, nil
	}
	resolved, err := x.gate.lookups.DoFor(ctx, x.question.Asker.Namespace, x.lookup(), x.resolveFor)
	return resolved, x.timely(err)
}

func (x *examination) lookup() lookup { return lookup{x.reference, x.access, x.as} }

// resolvedRecently returns for a dry run what the registry answered a moment ago.
func (x *examination) resolvedRecently() (artifact.Resolved, bool) {
	if !x.question.Asker.DryRun {
		return artifact.Resolved{}, false
	}
	return x.gate.recent.get(x.lookup())
}

// resolveFor asks the registry on behalf of all callers.
func (x *examination) resolveFor(ctx context.Context, callers *coalesce.Callers) (artifact.Resolved, error) {
	since := x.gate.now()
	resolved, err := x.gate.ask(ctx, x.lookup(), callers)
	digest, pinned := x.reference.Selector.Digest()
	switch {
	case err != nil:
		return artifact.Resolved{}, err
	case resolved.Other && !x.as.any:
		return artifact.Resolved{}, errors.New("the registry client resolved a chart to something else")
	case resolved.Digest.IsZero() || resolved.Location != x.reference.Location:
		return artifact.Resolved{}, errors.New("the registry client resolved the reference to nothing")
	case pinned && resolved.Digest != digest:
		return artifact.Resolved{}, &problem.Error{
			Kind:   problem.KindDigestMismatch,
			Detail: fmt.Sprintf("%s was resolved to the digest %s", x.reference, resolved.Digest),
		}
	}
	x.gate.recent.add(x.lookup(), resolved, since)
	return resolved, nil
}

// ask asks the registry on behalf of all callers.
func (g *Gate) ask(ctx context.Context, asked lookup, callers *coalesce.Callers) (artifact.Resolved, error) {
	access := asked.access
	access.Askers = callers
	if asked.as.any {
		return g.registry.Artifact(ctx, asked.reference, access, asked.as.by)
	}
	return g.registry.Resolve(ctx, asked.reference, access)
}

// timely returns the error of shared work, for which the admission may have stopped waiting.
func (x *examination) timely(err error) error {
	if errors.Is(err, coalesce.ErrStoppedWaiting) {
		return timeout(x.reference, err)
	}
	return err
}

// timeout is the problem that a chart's verification took too long.
func timeout(about chart.Reference, err error) error {
	return &problem.Error{
		Kind:   problem.KindTimeout,
		Detail: fmt.Sprintf("the time limit passed before %s had given what the verification of %s needs", about.Location.Host(), about),
		Err:    err,
	}
}
