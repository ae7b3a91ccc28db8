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

const podinfo = "oci://ghcr.io/acme/podinfo:1.0.0"

// outcome is what a test compares of a verdict.
type outcome struct {
	Verdict string
	Reason  verdict.Reason
}

func outcomeOf(v verdict.Verdict) outcome { return outcome{v.String(), v.Reason()} }

func denied(reason verdict.Reason) outcome { return outcome{"Denied", reason} }

func TestPolicies(t *testing.T) {
	acme, ops := requiring("acme", subject), requiring("ops", "ops@acme.example")
	for _, c := range []struct {
		sentence string
		policies []policy.Input
		chart    string
		want     outcome
	}{
		{"a chart that its policy accepts is verified", []policy.Input{acme}, podinfo, outcome{"Verified", ""}},
		{"a chart that no policy matches is denied", []policy.Input{acme}, "oci://ghcr.io/other/podinfo:1.0.0", denied(verdict.NoPolicy)},
		{"all matching policies must accept", []policy.Input{acme, ops}, podinfo, denied(verdict.IdentityNotAllowed)},
		{"a floating tag is denied before anything is fetched", []policy.Input{acme}, "oci://ghcr.io/acme/podinfo:latest", denied(verdict.NotPinned)},
		{"a floating tag passes where the policy says so", []policy.Input{requiring("acme", subject, floating)}, "oci://ghcr.io/acme/podinfo:latest", outcome{"Verified", ""}},
		{"the strictest pinning of several policies counts", []policy.Input{requiring("a", subject, floating), acme}, "oci://ghcr.io/acme/podinfo:latest", denied(verdict.NotPinned)},
		{"mode Warn admits what it would deny", []policy.Input{requiring("ops", "ops@acme.example", warnOnly)}, podinfo, outcome{"Warned", verdict.IdentityNotAllowed}},
		{"mode Warn does not soften another policy", []policy.Input{ops, requiring("acme", subject, warnOnly)}, podinfo, denied(verdict.IdentityNotAllowed)},
		{"mode Warn beside a satisfied policy warns", []policy.Input{acme, requiring("ops", "ops@acme.example", warnOnly)}, podinfo, outcome{"Warned", verdict.IdentityNotAllowed}},
		{"a waiver admits until its last day", []policy.Input{requiring("acme", subject, unverified("2026-11-20"))}, podinfo, outcome{"AllowedUnverified", ""}},
		{"a waiver ends", []policy.Input{requiring("acme", subject, unverified("2026-11-19"))}, podinfo, denied(verdict.NoPolicy)},
		{"a waiver does not soften another policy", []policy.Input{requiring("old", subject, unverified("2026-11-20")), ops}, podinfo, denied(verdict.IdentityNotAllowed)},
		{"a waiver beside a satisfied policy leaves the chart verified", []policy.Input{requiring("old", subject, unverified("2026-11-20")), acme}, podinfo, outcome{"Verified", ""}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			s := fine(t)
			s.current = func() *policy.Set { return compile(t, c.policies...) }
			if diff := cmp.Diff(c.want, outcomeOf(s.gate().Decide(t.Context(), use(t, c.chart)))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A tenant must not be able to make the webhook contact a host that no policy names.
func TestNoNetworkBeforePolicy(t *testing.T) {
	for _, text := range []string{
		"oci://attacker.example/acme/podinfo:1.0.0", "oci://ghcr.io/acme/podinfo:latest",
	} {
		t.Run(text, func(t *testing.T) {
			s := fine(t)
			s.resolve = func(context.Context, chart.Reference) (artifact.Resolved, error) {
				t.Error("the registry was asked")
				return artifact.Resolved{}, errInjected
			}
			if v := s.gate().Decide(t.Context(), use(t, text)); v.Admits() {
				t.Error(v.Message())
			}
		})
	}
}

func TestPulledArtifacts(t *testing.T) {
	right, layer, other := digest(t, "a"), digest(t, "b"), digest(t, "c")
	waiver := []policy.Input{requiring("acme", subject, unverified("2026-11-20"))}
	for _, c := range []struct {
		sentence string
		policies []policy.Input
		held     gate.Artifact
		want     outcome
	}{
		{"an archive that is the chart's layer is proven, whoever wrote it", nil, gate.Artifact{Archive: layer}, outcome{"Verified", ""}},
		{"an archive that is not the chart's layer is denied, whoever wrote it", nil, gate.Artifact{Archive: other, ByController: true}, denied(verdict.DigestMismatch)},
		{"a manifest that is not the verified one is denied", nil, gate.Artifact{Manifest: other, Archive: layer}, denied(verdict.DigestMismatch)},
		{"the right manifest with a forged archive is denied", nil, gate.Artifact{Manifest: right, Archive: other}, denied(verdict.DigestMismatch)},
		{"the right manifest and archive are proven", nil, gate.Artifact{Manifest: right, Archive: layer}, outcome{"Verified", ""}},
		{"a repackaged archive is believed from the source controller", nil, gate.Artifact{Archive: other, Incomparable: true, ByController: true}, outcome{"Verified", ""}},
		{"a repackaged archive of another spec is not believed", nil, gate.Artifact{Archive: other, Incomparable: true, Outdated: true, ByController: true}, denied(verdict.DigestMismatch)},
		{"a repackaged archive is not believed from an editor", nil, gate.Artifact{Archive: other, Incomparable: true}, denied(verdict.DigestMismatch)},
		{"an archive without any digest is denied", nil, gate.Artifact{ByController: true}, denied(verdict.DigestMismatch)},
		{"under a waiver, the source controller is believed", waiver, gate.Artifact{Archive: other, ByController: true}, outcome{"AllowedUnverified", ""}},
		{"under a waiver, an editor is not believed", waiver, gate.Artifact{Archive: other}, denied(verdict.DigestMismatch)},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			s := fine(t)
			if c.policies != nil {
				s.current = func() *policy.Set { return compile(t, c.policies...) }
			}
			s.resolve = func(_ context.Context, ref chart.Reference) (artifact.Resolved, error) {
				found := right
				if d, pinned := ref.Selector.Digest(); pinned {
					found = d
				}
				return artifact.Resolved{Location: ref.Location, Digest: found, Layer: layer}, nil
			}
			s.verify = func(_ context.Context, d chart.Digest, _ attachment.Attachment, _ evidence.Wanted) (evidence.Evidence, error) {
				if d != right {
					return evidence.Evidence{}, &problem.Error{Kind: problem.KindDigestMismatch, Detail: "not signed"}
				}
				return signedBy(d, subject), nil
			}
			if diff := cmp.Diff(c.want, outcomeOf(s.gate().Decide(t.Context(), use(t, podinfo, holding(&c.held))))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The signature is over all layers, and only one of them is the chart: an editor of a namespace
// could otherwise let Flux unpack another layer of a signed artifact, and helm-controller install
// it.
func TestLayersThatAreNotTheChart(t *testing.T) {
	const sbom = "application/vnd.docker.dhi.sbom.v1.tar+gzip"
	byController := &gate.Artifact{Manifest: digest(t, "a"), Incomparable: true, ByController: true}
	for _, c := range []struct {
		sentence string
		taking   artifact.LayerRule
		maybe    bool
		held     *gate.Artifact
		want     outcome
	}{
		{"helm takes the chart's layer", artifact.LayerRule{}, false, nil, outcome{"Verified", ""}},
		{"a layerSelector of the chart's layer takes it", artifact.LayerOfType(artifact.MediaTypeLayer), false, byController, outcome{"Verified", ""}},
		{"without a layerSelector Flux would take the layer before the chart", artifact.LayerOfType(""), false, nil, denied(verdict.NotAChart)},
		{"and has taken it, on the source controller's own word", artifact.LayerOfType(""), false, byController, denied(verdict.NotAChart)},
		{"a layerSelector of another layer takes that", artifact.LayerOfType(sbom), false, byController, denied(verdict.NotAChart)},
		{"another layer that no release uses is covered by the signature", artifact.LayerOfType(sbom), true, byController, outcome{"Verified", ""}},
		{"another layer that an editor says was pulled is denied", artifact.LayerOfType(sbom), true, &gate.Artifact{}, denied(verdict.DigestMismatch)},
		{"Argo CD would unpack the other layer too", artifact.WholeContent(), false, nil, denied(verdict.NotAChart)},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			s := fine(t)
			s.resolve = func(_ context.Context, ref chart.Reference) (artifact.Resolved, error) {
				return artifact.Resolved{Location: ref.Location, Digest: digest(t, "a"), Layer: digest(t, "b"), LayerType: artifact.MediaTypeLayer, Direct: true}, nil
			}
			u := use(t, podinfo, func(found *gate.Chart) { found.LayerRule, found.MaybeChart, found.Artifact = c.taking, c.maybe, c.held })
			g := s.gate()
			for range 2 { // the second time from memory
				if diff := cmp.Diff(c.want, outcomeOf(g.Decide(t.Context(), u))); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

// What is remembered of a digest was learned by another tag; a denial names the tag of this one.
func TestDenialsNameTheTagThatWasAskedFor(t *testing.T) {
	s := fine(t)
	s.resolve = func(_ context.Context, ref chart.Reference) (artifact.Resolved, error) {
		tag, _ := ref.Selector.Tag()
		return artifact.Resolved{Location: ref.Location, Tag: tag, Digest: digest(t, "a"), Layer: digest(t, "b")}, nil
	}
	g, u := s.gate(), use(t, podinfo)
	if v := g.Decide(t.Context(), u); !v.Admits() {
		t.Fatal(v.Message())
	}
	u = use(t, "oci://ghcr.io/acme/podinfo:9.9.9", func(c *gate.Chart) { c.LayerRule = artifact.WholeContent() })
	if v := g.Decide(t.Context(), u); v.Admits() || !strings.Contains(v.Message(), ":9.9.9@sha256:") {
		t.Error(v.Message())
	}
}

// Manifests in Flux's OCIRepositories and Argo CD's native sources: where a policy matches, they
// must be signed like a chart. If no policy matches, Flux's manifests are outside: a HelmRelease
// that used them would be verified. Argo CD itself looks for a chart in whatever it unpacks, so
// that nothing tells its manifests from a chart before they are pulled.
func TestArtifactsThatMayBeNoCharts(t *testing.T) {
	const (
		flux    = "Flux"
		argo    = "Argo CD"
		release = "a release"
	)
	const elsewhere = "oci://ghcr.io/other/config:1.0.0"
	stranger := []policy.Input{requiring("acme", "somebody else")}
	waived := []policy.Input{requiring("acme", subject, unverified("2099-12-31"))}
	unread := &gate.Artifact{Manifest: digest(t, "a"), Incomparable: true}
	byController := &gate.Artifact{Manifest: digest(t, "a"), Incomparable: true, ByController: true}
	copied := &gate.Artifact{Manifest: digest(t, "a"), Archive: digest(t, "c")}
	for _, c := range []struct {
		sentence string
		chart    string
		by       string
		policies []policy.Input
		held     *gate.Artifact
		want     outcome
	}{
		{"signed manifests of Flux are verified", podinfo, flux, nil, nil, outcome{"Verified", ""}},
		{"manifests of Flux without the right signature are denied", podinfo, flux, stranger, nil, denied(verdict.IdentityNotAllowed)},
		{"manifests of Flux that no policy is about are outside", elsewhere, flux, nil, nil, outcome{"Outside", ""}},
		{"manifests of Flux under a waiver", podinfo, flux, waived, byController, outcome{"AllowedUnverified", ""}},
		{"pulled by source-controller", podinfo, flux, nil, byController, outcome{"Verified", ""}},
		{"pulled, an editor says, and unpacked", podinfo, flux, nil, unread, denied(verdict.DigestMismatch)},
		{"pulled, and the layer that was signed", podinfo, flux, nil, copied, outcome{"Verified", ""}},
		{"pulled, and another archive", podinfo, flux, nil, &gate.Artifact{Manifest: digest(t, "a"), Archive: digest(t, "d")}, denied(verdict.DigestMismatch)},
		{"pulled by another digest than is there", podinfo, flux, nil, &gate.Artifact{Manifest: digest(t, "d"), Incomparable: true, ByController: true}, denied(verdict.DigestMismatch)},
		{"pulled where no policy is about them, by source-controller", elsewhere, flux, nil, byController, outcome{"Outside", ""}},
		{"pulled where no policy is about them, an editor says", elsewhere, flux, nil, unread, denied(verdict.DigestMismatch)},
		{"dependencies are none of Flux's manifests", podinfo, flux, []policy.Input{requiring("acme", subject, vendored)}, nil, outcome{"Verified", ""}},

		{"signed manifests of Argo CD are verified", podinfo, argo, nil, nil, outcome{"Verified", ""}},
		{"manifests of Argo CD without the right signature are denied", podinfo, argo, stranger, nil, denied(verdict.IdentityNotAllowed)},
		{"manifests of Argo CD under a waiver", podinfo, argo, waived, nil, outcome{"AllowedUnverified", ""}},
		{"manifests of Argo CD that no policy is about may be a chart", elsewhere, argo, nil, nil, denied(verdict.NoPolicy)},
		{"manifests of Argo CD may be a chart whose dependencies nobody can see", podinfo, argo, []policy.Input{requiring("acme", subject, vendored)}, nil, denied(verdict.NotAChart)},

		{"what a release uses must be a chart", podinfo, release, nil, nil, denied(verdict.NotAChart)},
		{"what a release uses where no policy is about it", elsewhere, release, nil, nil, denied(verdict.NoPolicy)},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			s := fine(t)
			if c.policies != nil {
				s.current = func() *policy.Set { return compile(t, c.policies...) }
			}
			s.verify = func(_ context.Context, d chart.Digest, _ attachment.Attachment, _ evidence.Wanted) (evidence.Evidence, error) {
				if d != digest(t, "a") {
					return evidence.Evidence{}, &problem.Error{Kind: problem.KindDigestMismatch, Detail: "not signed"}
				}
				return signedBy(d, subject), nil
			}
			s.resolve = func(_ context.Context, ref chart.Reference) (artifact.Resolved, error) {
				if c.by == release {
					return artifact.Resolved{}, &problem.Error{Kind: problem.KindNotAChart, Detail: "not a chart"}
				}
				return artifact.Resolved{Location: ref.Location, Digest: digest(t, "a"), Layer: digest(t, "c"), Other: true}, nil
			}
			u := use(t, c.chart, func(found *gate.Chart) {
				found.MaybeChart, found.Artifact = c.by == flux, c.held
				if c.by == argo {
					found.LayerRule = artifact.WholeContent()
				}
			})
			g := s.gate()
			for range 2 { // the second time from memory
				if diff := cmp.Diff(c.want, outcomeOf(g.Decide(t.Context(), u))); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

// Whether an artifact is a chart must be known.
func TestAnArtifactThatCannotBeReadIsDenied(t *testing.T) {
	s := fine(t)
	s.resolve = func(context.Context, chart.Reference) (artifact.Resolved, error) {
		return artifact.Resolved{}, errInjected
	}
	u := use(t, podinfo, func(c *gate.Chart) { c.MaybeChart = true })
	if diff := cmp.Diff(denied(verdict.InternalError), outcomeOf(s.gate().Decide(t.Context(), u))); diff != "" {
		t.Error(diff)
	}
}

// What was verified as manifests is remembered, and is no chart for those who ask for one, nor the
// other way round where they take another layer.
func TestManifestsInMemoryAreNoChart(t *testing.T) {
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
		{"Argo CD deploys manifests", at(artifact.WholeContent(), false), outcome{"Verified", ""}, 1},
		{"again, from memory", at(artifact.WholeContent(), false), outcome{"Verified", ""}, 1},
		{"a release asks for the same digest as a chart", at(artifact.LayerRule{}, false), denied(verdict.NotAChart), 1},
		{"Flux takes its first layer", at(artifact.LayerOfType(""), true), outcome{"Verified", ""}, 2},
		{"again, from memory", at(artifact.LayerOfType(""), true), outcome{"Verified", ""}, 2},
		{"Flux takes another layer", at(artifact.LayerOfType("application/json"), true), outcome{"Verified", ""}, 3},
	} {
		if diff := cmp.Diff(step.want, outcomeOf(g.Decide(t.Context(), step.use))); diff != "" {
			t.Errorf("%s: %s", step.name, diff)
		}
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

// A use without a target, or with an empty one, is denied, even where the absence of an object
// defers.
func TestAUseWithoutATargetIsDenied(t *testing.T) {
	for _, target := range []gate.Target{nil, gate.Chart{}, gate.Repository{}, gate.Unresolved{}} {
		u := gate.Question{Target: target, Deferrable: true, Unstored: true}
		if diff := cmp.Diff(denied(verdict.InternalError), outcomeOf(fine(t).gate().Decide(t.Context(), u))); diff != "" {
			t.Errorf("%T: %s", target, diff)
		}
	}
}

func TestOnlyAnAbsentSourceDefers(t *testing.T) {
	for kind := problem.KindInternal; kind <= problem.KindNotStored; kind++ {
		u := use(t, podinfo)
		u.Target, u.Deferrable = gate.Unresolved{Err: &problem.Error{Kind: kind, Detail: "problem"}}, true
		v := fine(t).gate().Decide(t.Context(), u)
		if v.Admits() != (kind == problem.KindSourceNotFound) {
			t.Errorf("kind %d: %s", kind, v.Message())
		}
	}
}

// A Secret that does not exist yet shows only when the registry refuses: Flux cannot
// pull without it either.
func TestOnlyAnAbsentSecretDefers(t *testing.T) {
	for kind := problem.KindInternal; kind <= problem.KindNotStored; kind++ {
		for _, deferrable := range []bool{true, false} {
			s := fine(t)
			s.resolve = func(context.Context, chart.Reference) (artifact.Resolved, error) {
				return artifact.Resolved{}, &problem.Error{Kind: kind, Detail: "problem"}
			}
			u := use(t, podinfo)
			u.Deferrable = deferrable
			v := s.gate().Decide(t.Context(), u)
			want := deferrable && kind == problem.KindSourceNotFound
			if v.Admits() != want || v.Deferred() != want {
				t.Errorf("kind %d, deferrable %v: %s", kind, deferrable, v.Message())
			}
		}
	}
}

// What another policy denies is denied, whatever is still missing.
func TestAnAbsentSecretDoesNotHideADenial(t *testing.T) {
	s := fine(t)
	s.current = func() *policy.Set {
		return compile(t, requiring("acme", subject), requiring("strict", subject, func(p *v1alpha1.ChartPolicy) { p.Spec.Pinning = v1alpha1.PinningDigest }))
	}
	s.resolve = func(context.Context, chart.Reference) (artifact.Resolved, error) {
		return artifact.Resolved{}, &problem.Error{Kind: problem.KindSourceNotFound, Detail: "Secret apps/login does not exist"}
	}
	u := use(t, podinfo)
	u.Deferrable = true
	if v := s.gate().Decide(t.Context(), u); v.Admits() || v.Reason() != verdict.NotPinned {
		t.Error(v.Message())
	}
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
					want = "" // on a command line, with its own login
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

func TestAGoodSignatureAmongBadNeighboursAdmits(t *testing.T) {
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
	if v := s.gate().Decide(t.Context(), use(t, podinfo)); !v.Admits() {
		t.Error(v.Message())
	}
}

func TestADenialIsNotRemembered(t *testing.T) {
	s := fine(t)
	signed := false
	s.signatures = func(context.Context, artifact.Resolved) iter.Seq2[attachment.Attachment, error] {
		if signed {
			return materials(attachment.Attachment{Format: attachment.Bundle})
		}
		return materials()
	}
	g := s.gate()
	if v := g.Decide(t.Context(), use(t, podinfo)); v.Reason() != verdict.SignatureMissing {
		t.Fatal(v.Message())
	}
	signed = true
	if v := g.Decide(t.Context(), use(t, podinfo)); !v.Admits() {
		t.Error("signed, then applied again: " + v.Message())
	}
}

// A tag is resolved again every time: TOCTOU between two admissions.
func TestATagThatMovesIsNotRemembered(t *testing.T) {
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
	if v := g.Decide(t.Context(), use(t, podinfo)); !v.Admits() {
		t.Fatal(v.Message())
	}
	now = digest(t, "c")
	if v := g.Decide(t.Context(), use(t, podinfo)); v.Reason() != verdict.SignatureInvalid {
		t.Error(v.Message())
	}
}

func TestEvidenceIsForgotten(t *testing.T) {
	for _, c := range []struct {
		sentence string
		change   func(*testing.T, *steps)
	}{
		{"after an hour", func(_ *testing.T, s *steps) { s.now = func() time.Time { return today.Add(61 * time.Minute) } }},
		{"when the clock goes back", func(_ *testing.T, s *steps) { s.now = func() time.Time { return today.Add(-time.Minute) } }},
		{"when the trust root changes", func(_ *testing.T, s *steps) { s.state = func() string { return "another" } }},
		{"when the policy's identities change", func(t *testing.T, s *steps) {
			s.current = func() *policy.Set { return compile(t, requiring("acme", "new@acme.example")) }
		}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			s := fine(t)
			g := gateOver(&s)
			if v := g.Decide(t.Context(), use(t, podinfo)); !v.Admits() {
				t.Fatal(v.Message())
			}
			s.signatures = func(context.Context, artifact.Resolved) iter.Seq2[attachment.Attachment, error] { return materials() }
			c.change(t, &s)
			if v := g.Decide(t.Context(), use(t, podinfo)); v.Reason() != verdict.SignatureMissing {
				t.Errorf("got %s: %s", v, v.Message())
			}
		})
	}
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
				if v := g.Decide(t.Context(), use(t, podinfo)); !v.Admits() {
					t.Error(v.Message())
				}
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
func TestDialectsDoNotShareAFlight(t *testing.T) {
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

func TestTooManyChartsInOneObject(t *testing.T) {
	uses := make([]gate.Question, 65)
	for i := range uses {
		uses[i] = use(t, podinfo)
	}
	verdicts := fine(t).gate().DecideAll(t.Context(), uses)
	if len(verdicts) != 1 || verdicts[0].Reason() != verdict.LimitExceeded {
		t.Errorf("got %d verdicts", len(verdicts))
	}
	if got := fine(t).gate().DecideAll(t.Context(), uses[:64]); len(got) != 64 || !got[63].Admits() {
		t.Errorf("64 charts: got %d verdicts", len(got))
	}
}

func TestASecretInAnErrorStaysInTheLog(t *testing.T) {
	s := fine(t)
	s.resolve = func(context.Context, chart.Reference) (artifact.Resolved, error) {
		return artifact.Resolved{}, errCanary{}
	}
	v := s.gate().Decide(t.Context(), use(t, podinfo))
	if strings.Contains(v.Message(), "canary") || len(v.Causes()) == 0 {
		t.Errorf("message %q, causes %v", v.Message(), v.Causes())
	}
}

type errCanary struct{}

func (errCanary) Error() string { return "canary-token" }

// dry is a use of a dry run.
func dry(u gate.Question) gate.Question {
	u.Asker.DryRun = true
	return u
}

// A tenant may run dry as often as they like: that is one question to the registry, for a few
// seconds, and no answer to it is ever taken for a real write.
func TestDryRunsAskOnce(t *testing.T) {
	s := fine(t)
	now := today
	s.now = func() time.Time { return now }
	asked := 0
	inner := s.resolve
	s.resolve = func(ctx context.Context, ref chart.Reference) (artifact.Resolved, error) {
		asked++
		return inner(ctx, ref)
	}
	g := s.gate()
	for _, step := range []struct {
		sentence string
		after    time.Duration
		times    int
		dryRun   bool
		asks     int
	}{
		{"a hundred dry runs ask once", 0, 100, true, 1},
		{"a real write asks again", 0, 1, false, 1},
		{"every real write asks", 0, 3, false, 3},
		{"what a real write asked serves dry runs", 9 * time.Second, 50, true, 0},
		{"they do not make the answer younger", time.Second, 50, true, 1},
		{"a real write after that asks", 0, 1, false, 1},
		{"a clock that was set back makes no answer young", -time.Minute, 1, true, 1},
	} {
		now = now.Add(step.after)
		before := asked
		for range step.times {
			u := use(t, podinfo)
			if step.dryRun {
				u = dry(u)
			}
			if v := g.Decide(t.Context(), u); !v.Admits() {
				t.Errorf("%s: %s", step.sentence, v.Message())
			}
		}
		if asked-before != step.asks {
			t.Errorf("%s: it asked %d times, not %d", step.sentence, asked-before, step.asks)
		}
	}
}

// An answer is as old as the question: what a tag meant may have changed while the registry took
// its time.
func TestASlowAnswerIsOldForDryRuns(t *testing.T) {
	s := fine(t)
	now := today
	s.now = func() time.Time { return now }
	asked := 0
	inner := s.resolve
	s.resolve = func(ctx context.Context, ref chart.Reference) (artifact.Resolved, error) {
		asked++
		now = now.Add(8 * time.Second)
		return inner(ctx, ref)
	}
	g := s.gate()
	for range 2 {
		g.Decide(t.Context(), dry(use(t, podinfo)))
		now = now.Add(3 * time.Second)
	}
	if asked != 2 {
		t.Errorf("it asked %d times", asked)
	}
}

// A tag that has moved since a dry run: the real write gets what it means now.
func TestAttackADryRunPreparesAnOldAnswer(t *testing.T) {
	s := fine(t)
	s.current = func() *policy.Set { return compile(t, requiring("acme", subject, floating)) }
	inner := s.resolve
	moved := false
	s.resolve = func(ctx context.Context, ref chart.Reference) (artifact.Resolved, error) {
		found, err := inner(ctx, ref)
		if moved {
			found.Digest = digest(t, "c")
		}
		return found, err
	}
	g := s.gate()
	if v := g.Decide(t.Context(), dry(use(t, podinfo))); !v.Admits() {
		t.Fatal(v.Message())
	}
	moved = true
	if v := g.Decide(t.Context(), use(t, podinfo)); v.Subject.Digest != digest(t, "c") {
		t.Errorf("the real write was judged by %s", v.Subject.Digest)
	}
}

// Equal questions with another login are other questions, for dry runs as well.
func TestDryRunsOfOtherAccessAsk(t *testing.T) {
	s := fine(t)
	asked := 0
	inner := s.resolve
	s.resolve = func(ctx context.Context, ref chart.Reference) (artifact.Resolved, error) {
		asked++
		return inner(ctx, ref)
	}
	g := s.gate()
	for _, secret := range []string{"one", "two", "one"} {
		u := dry(use(t, podinfo, reachedBy(sourceauth.Auth{Consumer: sourceauth.Flux, Namespace: "apps", Secret: secret})))
		if v := g.Decide(t.Context(), u); !v.Admits() {
			t.Error(v.Message())
		}
	}
	if asked != 2 {
		t.Errorf("it asked %d times", asked)
	}
}

// Denials are not remembered: what is pushed and signed right after a dry run is found by the next
// one.
func TestADryRunThatIsDeniedIsNotRemembered(t *testing.T) {
	s := fine(t)
	missing := true
	inner := s.resolve
	s.resolve = func(ctx context.Context, ref chart.Reference) (artifact.Resolved, error) {
		if missing {
			return artifact.Resolved{}, &problem.Error{Kind: problem.KindNotFound, Detail: "it is not there"}
		}
		return inner(ctx, ref)
	}
	g := s.gate()
	if v := g.Decide(t.Context(), dry(use(t, podinfo))); v.Admits() {
		t.Fatal("admitted")
	}
	missing = false
	if v := g.Decide(t.Context(), dry(use(t, podinfo))); !v.Admits() {
		t.Error(v.Message())
	}
}

// A flight ends with its last caller, and not before.
func TestAFlightEndsWithItsLastCaller(t *testing.T) {
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

// Two namespaces that ask the same are one flight, which both pay for.
func TestAFlightIsPaidForByAnyOfItsCallers(t *testing.T) {
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
			t.Errorf("%d flights, for %s", asked.Load(), got)
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
