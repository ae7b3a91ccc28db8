package gate_test

import (
	"context"
	"testing"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/verdict"
)

func TestPulledArtifacts(t *testing.T) {
	right, layer, other := digest(t, "a"), digest(t, "b"), digest(t, "c")
	waiver := []policy.Input{requiring("acme", subject, unverified("2026-11-20"))}
	for _, c := range []struct {
		sentence string
		policies []policy.Input
		held     gate.Artifact
		want     outcome
	}{
		{"an archive that is the chart's layer is proven by any author", nil, gate.Artifact{Archive: layer}, admitted},
		{"an archive that is not the chart's layer is denied by any author", nil, gate.Artifact{Archive: other, ByController: true}, denied(verdict.DigestMismatch)},
		{"a manifest that is not the verified one is denied", nil, gate.Artifact{Manifest: other, Archive: layer}, denied(verdict.DigestMismatch)},
		{"the right manifest with a forged archive is denied", nil, gate.Artifact{Manifest: right, Archive: other}, denied(verdict.DigestMismatch)},
		{"the right manifest and archive are proven", nil, gate.Artifact{Manifest: right, Archive: layer}, admitted},
		{"a repackaged archive is believed from the source controller", nil, gate.Artifact{Archive: other, Incomparable: true, ByController: true}, admitted},
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
			expect(t, s.gate(), use(t, podinfo, holding(&c.held)), c.want)
		})
	}
}

// Without a signature that is required, only the source tells where an artifact comes from.
func TestWaivedAndWarnedArtifactsFromElsewhere(t *testing.T) {
	moved := &problem.Error{Kind: problem.KindDigestMismatch, Detail: "pulled for another spec"}
	waived := []policy.Input{requiring("acme", subject, unverified("2099-12-31"))}
	warning := []policy.Input{requiring("acme", "somebody else", warnOnly)}
	admittedUnverified, warned := outcome{"AllowedUnverified", ""}, outcome{"Warned", verdict.IdentityNotAllowed}
	byController := gate.Artifact{Archive: digest(t, "c"), Incomparable: true, ByController: true}
	forged := gate.Artifact{Archive: digest(t, "c"), Incomparable: true}
	proven := gate.Artifact{Archive: digest(t, "b")}
	other := gate.Artifact{Archive: digest(t, "c"), ByController: true}
	for _, c := range []struct {
		sentence  string
		policies  []policy.Input
		held      *gate.Artifact
		elsewhere error
		proxy     string
		maybe     bool
		want      outcome
	}{
		{"a waiver", waived, &byController, nil, "", false, admittedUnverified},
		{"a waiver, and another spec", waived, &byController, moved, "", false, denied(verdict.DigestMismatch)},
		{"a waiver, and another spec of what nothing uses yet", waived, &byController, moved, "", true, denied(verdict.DigestMismatch)},
		{"a waiver, and another URL while an archive is kept", waived, nil, moved, "", false, denied(verdict.DigestMismatch)},
		{"a waiver, and a proxy of the tenant's", waived, &byController, nil, "mine", false, denied(verdict.Unsupported)},
		{"a waiver, and a proxy of the tenant's before anything is pulled", waived, nil, nil, "mine", false, denied(verdict.Unsupported)},
		{"a waiver, and a proxy for what nothing uses yet", waived, &byController, nil, "mine", true, admittedUnverified},
		{"a signature that is required proves by its digest", nil, &proven, moved, "", false, admitted},

		{"only a warning", warning, &byController, nil, "", false, warned},
		{"only a warning, before anything is pulled", warning, nil, moved, "", false, warned},
		{"only a warning, and another archive than the registry's", warning, &other, nil, "", false, outcome{"Warned", verdict.DigestMismatch}},
		{"only a warning, and another spec", warning, &other, moved, "", false, denied(verdict.DigestMismatch)},
		{"only a warning, and another spec with the archive of the registry", warning, &proven, moved, "", false, warned},
		{"only a warning, and an editor's artifact", warning, &forged, nil, "", false, denied(verdict.DigestMismatch)},
		{"only a warning, and an editor's artifact of the registry", warning, &proven, nil, "", false, warned},
		{"only a warning, and a proxy of the tenant's", warning, &byController, nil, "mine", false, warned},
		{"a warning beside a waiver", []policy.Input{waived[0], requiring("trial", "somebody else", warnOnly)}, &byController, moved, "", false, denied(verdict.DigestMismatch)},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			s := fine(t)
			if c.policies != nil {
				s.current = func() *policy.Set { return compile(t, c.policies...) }
			}
			s.resolve = func(_ context.Context, ref chart.Reference) (artifact.Resolved, error) {
				return artifact.Resolved{Location: ref.Location, Digest: digest(t, "a"), Layer: digest(t, "b")}, nil
			}
			u := use(t, podinfo, func(found *gate.Chart) {
				found.Artifact, found.FromElsewhere, found.Auth.Proxy, found.MaybeChart = c.held, c.elsewhere, c.proxy, c.maybe
			})
			expect(t, s.gate(), u, c.want)
		})
	}

	s := fine(t)
	s.current = func() *policy.Set { return compile(t, warning...) }
	s.resolve = func(context.Context, chart.Reference) (artifact.Resolved, error) {
		return artifact.Resolved{}, &problem.Error{Kind: problem.KindUnavailable, Detail: "down"}
	}
	expect(t, s.gate(), use(t, podinfo, holding(&byController)), outcome{"Warned", verdict.RegistryUnavailable})
	expect(t, s.gate(), use(t, podinfo, holding(&forged)), denied(verdict.DigestMismatch))
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
		{"helm takes the chart's layer", artifact.LayerRule{}, false, nil, admitted},
		{"a layerSelector of the chart's layer takes it", artifact.LayerOfType(artifact.MediaTypeLayer), false, byController, admitted},
		{"without a layerSelector Flux would take the layer before the chart", artifact.LayerOfType(""), false, nil, denied(verdict.NotAChart)},
		{"and has taken it, on the source controller's own word", artifact.LayerOfType(""), false, byController, denied(verdict.NotAChart)},
		{"a layerSelector of another layer takes that", artifact.LayerOfType(sbom), false, byController, denied(verdict.NotAChart)},
		{"another layer that no release uses is covered by the signature", artifact.LayerOfType(sbom), true, byController, admitted},
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
			expectTwice(t, g, u, c.want)
		})
	}
}

// Manifests in Flux's OCIRepositories and Argo CD's native sources: where a policy matches, they
// must be signed like a chart. Where none does, Flux's are outside: a HelmRelease that used them
// would be verified. Argo CD itself looks for a chart in everything that it unpacks, so that
// nothing tells its manifests from a chart before they are pulled.
func TestArtifactsThatMayBeNoCharts(t *testing.T) {
	const (
		flux    = "Flux"
		argo    = "Argo CD"
		release = "a release"
		abroad  = "Flux, and a release of another namespace"
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
		{"signed manifests of Flux are verified", podinfo, flux, nil, nil, admitted},
		{"manifests of Flux without the right signature are denied", podinfo, flux, stranger, nil, denied(verdict.IdentityNotAllowed)},
		{"manifests of Flux that no policy is about are outside", elsewhere, flux, nil, nil, outcome{"Outside", ""}},
		{"manifests of Flux under a waiver", podinfo, flux, waived, byController, outcome{"AllowedUnverified", ""}},
		{"pulled by source-controller", podinfo, flux, nil, byController, admitted},
		{"pulled, an editor says, and unpacked", podinfo, flux, nil, unread, denied(verdict.DigestMismatch)},
		{"pulled, and the layer that was signed", podinfo, flux, nil, copied, admitted},
		{"pulled, and another archive", podinfo, flux, nil, &gate.Artifact{Manifest: digest(t, "a"), Archive: digest(t, "d")}, denied(verdict.DigestMismatch)},
		{"pulled by another digest than is there", podinfo, flux, nil, &gate.Artifact{Manifest: digest(t, "d"), Incomparable: true, ByController: true}, denied(verdict.DigestMismatch)},
		{"pulled where no policy is about them, by source-controller", elsewhere, flux, nil, byController, outcome{"Outside", ""}},
		{"pulled where no policy is about them, while a release of another namespace takes its chart from there", elsewhere, abroad, nil, byController, denied(verdict.NoPolicy)},
		{"signed manifests from which a release of another namespace takes its chart", podinfo, abroad, nil, byController, admitted},
		{"pulled where no policy is about them, an editor says", elsewhere, flux, nil, unread, denied(verdict.DigestMismatch)},
		{"Flux's manifests have no dependencies", podinfo, flux, []policy.Input{requiring("acme", subject, vendored)}, nil, admitted},

		{"signed manifests of Argo CD are verified", podinfo, argo, nil, nil, admitted},
		{"manifests of Argo CD without the right signature are denied", podinfo, argo, stranger, nil, denied(verdict.IdentityNotAllowed)},
		{"manifests of Argo CD under a waiver", podinfo, argo, waived, nil, outcome{"AllowedUnverified", ""}},
		{"manifests of Argo CD that no policy is about may be a chart", elsewhere, argo, nil, nil, denied(verdict.NoPolicy)},
		{"manifests of Argo CD may be a chart whose dependencies cannot be seen", podinfo, argo, []policy.Input{requiring("acme", subject, vendored)}, nil, denied(verdict.NotAChart)},

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
				found.MaybeChart, found.UsedElsewhere, found.Artifact = c.by == flux || c.by == abroad, c.by == abroad, c.held
				if c.by == argo {
					found.LayerRule = artifact.WholeContent()
				}
			})
			g := s.gate()
			expectTwice(t, g, u, c.want)
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
	expect(t, s.gate(), u, denied(verdict.InternalError))
}
