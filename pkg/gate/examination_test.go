package gate_test

import (
	"context"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// A denial names the tag of its own use, although the chart was cached by another tag.
func TestDenialsNameTheTagThatWasAskedFor(t *testing.T) {
	s := fine(t)
	s.resolve = func(_ context.Context, ref chart.Reference) (artifact.Resolved, error) {
		tag, _ := ref.Selector.Tag()
		return artifact.Resolved{Location: ref.Location, Tag: tag, Digest: digest(t, "a"), Layer: digest(t, "b")}, nil
	}
	g, u := s.gate(), use(t, podinfo)
	expect(t, g, u, admitted)
	u = use(t, "oci://ghcr.io/acme/podinfo:9.9.9", func(c *gate.Chart) { c.LayerRule = artifact.WholeContent() })
	if v := g.Decide(t.Context(), u); v.Admits() || !strings.Contains(v.Message(), ":9.9.9@sha256:") {
		t.Error(v.Message())
	}
}

// Cached manifests are no chart for a consumer that takes a chart, and a cached chart is not what a
// consumer of another layer takes.
func TestCachedManifestsAreNoChart(t *testing.T) {
	s := fine(t)
	chartIs := artifact.Resolved{Digest: digest(t, "a"), Layer: digest(t, "b"), LayerType: artifact.MediaTypeLayer, Direct: true, First: true, Alone: true}
	s.resolve = func(_ context.Context, ref chart.Reference) (artifact.Resolved, error) {
		return artifact.Resolved{}, &problem.Error{Kind: problem.KindNotAChart, Detail: "not a chart"}
	}
	other := s
	other.resolve = func(_ context.Context, ref chart.Reference) (artifact.Resolved, error) {
		return artifact.Resolved{Location: ref.Location, Digest: chartIs.Digest, Other: true}, nil
	}
	asked := 0
	g := gate.New(s, registryOf{s, other, &asked}, s, s.now)
	at := func(by artifact.LayerRule, maybe bool) gate.Question {
		return use(t, "oci://ghcr.io/acme/podinfo@"+chartIs.Digest.String(), func(c *gate.Chart) { c.LayerRule, c.MaybeChart = by, maybe })
	}
	for _, step := range []struct {
		name  string
		use   gate.Question
		want  outcome
		asked int
	}{
		{"Argo CD deploys manifests", at(artifact.WholeContent(), false), admitted, 1},
		{"again, from memory", at(artifact.WholeContent(), false), admitted, 1},
		{"a release asks for the same digest as a chart", at(artifact.LayerRule{}, false), denied(verdict.NotAChart), 1},
		{"Flux takes its first layer", at(artifact.LayerOfType(""), true), admitted, 2},
		{"again, from memory", at(artifact.LayerOfType(""), true), admitted, 2},
		{"Flux takes another layer", at(artifact.LayerOfType("application/json"), true), admitted, 3},
	} {
		t.Run(step.name, func(t *testing.T) { expect(t, g, step.use, step.want) })
		if asked != step.asked {
			t.Errorf("%s: asked for artifacts %d times, want %d", step.name, asked, step.asked)
		}
	}
}

// registryOf answers differently to those who want a chart and those who take anything.
type registryOf struct {
	steps
	other steps
	asked *int
}

func (r registryOf) Artifact(ctx context.Context, ref chart.Reference, access sourceauth.Auth, by artifact.LayerRule) (artifact.Resolved, error) {
	*r.asked++
	return r.other.Artifact(ctx, ref, access, by)
}

func TestTheRegistryIsAskedOnBehalfOfTheConsumer(t *testing.T) {
	access := sourceauth.Auth{Consumer: sourceauth.Flux, Namespace: "apps", Secret: "login"}
	place, err := chart.ParseChart("oci://ghcr.io/acme/signatures")
	if err != nil {
		t.Fatal(err)
	}
	var asked []attachment.Search
	s := fine(t)
	s.asked = func(search attachment.Search) { asked = append(asked, search) }
	s.current = func() *policy.Set {
		return compile(t, requiring("acme", subject, vendored, func(p *v1alpha1.ChartPolicy) { p.Spec.SignatureRepository = place.String() }), requiring("beside", subject))
	}
	s.gate().Decide(t.Context(), use(t, podinfo, reachedBy(access)))
	access.NamedHost = "ghcr.io"
	want := []attachment.Search{{Access: access}, {Access: access, Repositories: []chart.Location{place, {}}}, {Access: access}}
	if diff := cmp.Diff(want, asked, cmpopts.EquateComparable(chart.Location{}), cmpopts.IgnoreFields(sourceauth.Auth{}, "Askers")); diff != "" {
		t.Error(diff)
	}
}

// TestWhichHostsPoliciesName: where a wildcard stands for the host of a chart, anyone may
// choose it, so no login goes there.
func TestWhichHostsPoliciesName(t *testing.T) {
	charts := func(patterns ...string) func(*v1alpha1.ChartPolicy) {
		return func(p *v1alpha1.ChartPolicy) { p.Spec.Match.Charts = patterns }
	}
	list := func(pattern string) policy.Input {
		text := "- {name: acme, charts: ['" + pattern + "'], keyless: {issuer: " + issuer + ", subject: " + subject + "}}"
		return policy.Input{ConfigMap: &text}
	}
	signatures := func(p *v1alpha1.ChartPolicy) { p.Spec.SignatureRepository = "oci://ghcr.io/acme/signatures" }
	for _, r := range []struct {
		sentence string
		in       []policy.Input
		want     string
	}{
		{"the host itself", []policy.Input{requiring("a", subject, charts("oci://ghcr.io/**"))}, "ghcr.io"},
		{"everything", []policy.Input{requiring("a", subject, charts("oci://**"))}, ""},
		{"any path of any host", []policy.Input{requiring("a", subject, charts("oci://**/podinfo"))}, ""},
		{"a star for the host", []policy.Input{requiring("a", subject, charts("oci://*/acme/**"))}, ""},
		{"a star in the host", []policy.Input{requiring("a", subject, charts("oci://ghcr.*/acme/**"))}, ""},
		{"a star and the host", []policy.Input{requiring("a", subject, charts("oci://**", "oci://ghcr.io/other/**"))}, "ghcr.io"},
		{"another policy that matches", []policy.Input{requiring("a", subject, charts("oci://**")), requiring("b", subject)}, "ghcr.io"},
		{"another policy that does not match", []policy.Input{requiring("a", subject, charts("oci://**")), requiring("b", subject, charts("oci://ghcr.io/other/**"))}, ""},
		{"a policy that warns", []policy.Input{requiring("a", subject, warnOnly)}, "ghcr.io"},
		{"the repository of the signatures", []policy.Input{requiring("a", subject, charts("oci://**"), signatures)}, "ghcr.io"},
		{"a classic repository of that host", []policy.Input{requiring("a", subject, charts("oci://**", "https://ghcr.io/**"))}, ""},
		{"an entry of the ConfigMap", []policy.Input{list("oci://ghcr.io/acme/**")}, "ghcr.io"},
		{"an entry of the ConfigMap for everything", []policy.Input{list("oci://**")}, ""},
	} {
		t.Run(r.sentence, func(t *testing.T) {
			var all policy.Input
			for _, in := range r.in {
				all.Identities, all.Policies = append(all.Identities, in.Identities...), append(all.Policies, in.Policies...)
				if in.ConfigMap != nil {
					all.ConfigMap = in.ConfigMap
				}
			}
			set, _ := policy.Compile(all)
			s := fine(t)
			s.current = func() *policy.Set { return set }
			var asked []sourceauth.Auth
			s.asked = func(search attachment.Search) { asked = append(asked, search.Access) }
			for _, consumer := range []sourceauth.Consumer{0, sourceauth.Flux, sourceauth.ArgoCD} {
				asked = nil
				s.gate().Decide(t.Context(), use(t, podinfo, reachedBy(sourceauth.Auth{Consumer: consumer, NamedHost: "attacker.example"})))
				want := r.want
				if consumer == 0 {
					want = "" // the command line has a login of its own
				}
				if len(asked) == 0 {
					t.Fatal("the registry was not asked")
				}
				for _, access := range asked {
					if access.NamedHost != want {
						t.Errorf("consumer %d: the named host is %q, want %q", consumer, access.NamedHost, want)
					}
				}
			}
		})
	}
}

// The meaning of a tag is asked in every admission: it may change between two of them (TOCTOU).
func TestATagThatMovesIsNotCached(t *testing.T) {
	s := fine(t)
	now := digest(t, "a")
	s.resolve = func(_ context.Context, ref chart.Reference) (artifact.Resolved, error) {
		return artifact.Resolved{Location: ref.Location, Digest: now, Layer: digest(t, "b")}, nil
	}
	s.verify = func(_ context.Context, d chart.Digest, _ attachment.Attachment, _ evidence.Wanted) (evidence.Evidence, error) {
		if d != digest(t, "a") {
			return evidence.Evidence{}, &verdict.Rejection{Reason: verdict.SignatureInvalid, Detail: "bad"}
		}
		return signedBy(d, subject), nil
	}
	g := s.gate()
	expect(t, g, use(t, podinfo), admitted)
	now = digest(t, "c")
	expect(t, g, use(t, podinfo), denied(verdict.SignatureInvalid))
}

func TestAStampedeCostsOneVerification(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fine(t)
		var resolved, fetched atomic.Int32
		release := make(chan struct{})
		inner := s.resolve
		s.resolve = func(ctx context.Context, ref chart.Reference) (artifact.Resolved, error) {
			resolved.Add(1)
			<-release
			return inner(ctx, ref)
		}
		s.signatures = func(context.Context, artifact.Resolved) iter.Seq2[attachment.Attachment, error] {
			fetched.Add(1)
			return materials(attachment.Attachment{Format: attachment.Bundle})
		}
		g := s.gate()
		var group sync.WaitGroup
		for range 500 {
			group.Go(func() {
				expect(t, g, use(t, podinfo), admitted)
			})
		}
		synctest.Wait() // all 500 wait for the one answer
		close(release)
		group.Wait()
		if resolved.Load() != 1 || fetched.Load() != 1 {
			t.Errorf("resolved %d times, searched %d times", resolved.Load(), fetched.Load())
		}
	})
}

func TestADeadlineIsADenial(t *testing.T) {
	s := fine(t)
	block := make(chan struct{})
	defer close(block)
	s.resolve = func(context.Context, chart.Reference) (artifact.Resolved, error) {
		<-block
		return artifact.Resolved{}, errInjected
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if v := s.gate().Decide(ctx, use(t, podinfo)); v.Reason() != verdict.Timeout {
		t.Error(v.Message())
	}
}

// Two consumers write the same range and mean different tags by it.
func TestDialectsDoNotShareALookup(t *testing.T) {
	flux, err := chart.ParseFluxVersion("1.x")
	if err != nil {
		t.Fatal(err)
	}
	argo, err := chart.ParseArgoHelmRevision("1.x")
	if err != nil {
		t.Fatal(err)
	}
	s := fine(t)
	s.current = func() *policy.Set { return compile(t, requiring("acme", subject, floating)) }
	var asked atomic.Int32
	both := make(chan struct{})
	inner := s.resolve
	s.resolve = func(ctx context.Context, ref chart.Reference) (artifact.Resolved, error) {
		if asked.Add(1) == 2 {
			close(both)
		}
		select {
		case <-both:
		case <-ctx.Done():
		}
		return inner(ctx, ref)
	}
	g := s.gate()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var group sync.WaitGroup
	for _, selector := range []chart.Selector{flux, argo} {
		u := use(t, podinfo, func(c *gate.Chart) { c.Reference.Selector = selector })
		group.Go(func() {
			if v := g.Decide(ctx, u); !v.Admits() {
				t.Error(v.Message())
			}
		})
	}
	group.Wait()
	if asked.Load() != 2 {
		t.Errorf("the registry was asked %d times", asked.Load())
	}
}

// A lookup ends with its last caller, and not before.
func TestALookupEndsWithItsLastCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fine(t)
		var ended atomic.Int32
		s.resolve = func(ctx context.Context, _ chart.Reference) (artifact.Resolved, error) {
			<-ctx.Done()
			ended.Add(1)
			return artifact.Resolved{}, ctx.Err()
		}
		g := s.gate()
		for _, deadline := range []time.Duration{time.Second, 3 * time.Second} {
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), deadline)
				defer cancel()
				if v := g.Decide(ctx, use(t, podinfo)); v.Reason() != verdict.Timeout {
					t.Error(v.Message())
				}
			}()
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if ended.Load() != 0 {
			t.Error("it ended with its first caller")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if ended.Load() != 1 {
			t.Error("it goes on without callers")
		}
	})
}

// Two namespaces that ask the same share one lookup, which takes from the share of either.
func TestALookupTakesTheShareOfAnyOfItsCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fine(t)
		var askers sourceauth.Askers
		s.asked = func(search attachment.Search) { askers = search.Access.Askers }
		free := make(chan struct{})
		var asked atomic.Int32
		inner := s.resolve
		s.resolve = func(ctx context.Context, ref chart.Reference) (artifact.Resolved, error) {
			asked.Add(1)
			<-free
			return inner(ctx, ref)
		}
		g := s.gate()
		var group sync.WaitGroup
		decide := func(ctx context.Context, namespace string) {
			u := use(t, podinfo)
			u.Asker.Namespace = namespace
			group.Go(func() { g.Decide(ctx, u) })
			synctest.Wait()
		}
		keys := func() string { return strings.Join(askers.Keys(), " ") }
		brief, leave := context.WithCancel(t.Context())
		decide(brief, "greedy")
		changed := askers.Changed()
		decide(t.Context(), "honest")
		if got := keys(); got != "greedy honest" || asked.Load() != 1 {
			t.Errorf("%d lookups, for %s", asked.Load(), got)
		}
		select {
		case <-changed:
		default:
			t.Error("the change was not told")
		}
		leave()
		synctest.Wait()
		if got := keys(); got != "honest" {
			t.Errorf("after one has left, it is for %s", got)
		}
		close(free)
		group.Wait()
	})
}
