package gate

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// checkArtifact compares the artifact that a source holds with the chart that was resolved. An
// artifact whose digest proves it is accepted, by any author. One whose digest proves nothing,
// because a HelmChart repackages the chart or the source uses another digest algorithm, is accepted
// only if the source controller itself wrote it.
func (x *examination) checkArtifact(ctx context.Context, resolved artifact.Resolved) error {
	held := x.chart.Artifact
	if held == nil {
		return nil
	}
	object := cmp.Or(held.Source, x.question.Object)
	switch {
	case !held.Manifest.IsZero() && held.Manifest != resolved.Digest:
		return mismatch(object, "the artifact was pulled as %s, but the verified chart is %s", held.Manifest, resolved.Digest)
	case !held.Archive.IsZero() && held.Archive == resolved.Layer:
		return nil
	case x.extracts(resolved):
		return x.checkExtracted(ctx, resolved, object)
	case held.Incomparable && held.Outdated:
		return &problem.Error{
			Kind:   problem.KindDigestMismatch,
			Detail: "the archive was built from another spec than the HelmChart has now",
			Next:   "wait until source-controller builds it again",
		}
	case held.Incomparable && held.ByController:
		return nil
	case held.Incomparable:
		return unproven()
	default:
		return mismatch(object, "the artifact's digest is %s, but the verified chart's archive is %s", orUnknown(held.Archive), resolved.Layer)
	}
}

// extracts reports whether the source has extracted the chart. Manifests that nothing uses as a chart
// are not compared.
func (x *examination) extracts(resolved artifact.Resolved) bool {
	held := x.chart.Artifact
	return held != nil && held.Extracted && !(resolved.Other && x.chart.MaybeChart)
}

// checkExtracted accepts only the archive that source-controller makes of this chart's layer. That
// source-controller wrote the artifact proves nothing: it extracts a layer without reading it to its
// end, where its digest would be checked, and a pull that was in progress when the spec changed ends
// as one of the new spec (seen with 1.9.0). So anyone who can create an OCIRepository could have it
// pull the files from a registry of their own under the digest of a signed chart.
func (x *examination) checkExtracted(ctx context.Context, resolved artifact.Resolved, object Object) error {
	held := x.chart.Artifact
	expected, err := x.extracted(ctx, resolved, held.Ignore)
	if err == nil && expected == held.Archive {
		return nil
	}
	perr := &problem.Error{
		Kind:   problem.KindDigestMismatch,
		Detail: fmt.Sprintf("source-controller has extracted the chart, and the digest of its archive is %s, not that of the files of %s", orUnknown(held.Archive), resolved.Layer),
		Next:   "copy the chart instead of extracting it, so that its own digest can be compared: " + copyLayer(object, resolved.LayerType),
	}
	if own, ok := errors.AsType[*problem.Error](err); ok {
		if own.Kind != problem.KindLimitExceeded && own.Kind != problem.KindNotAChart {
			return own
		}
		perr.Detail = "source-controller has extracted the chart, and chartgate cannot do the same to compare the archives: " + own.Detail
	} else if err != nil {
		return err
	}
	return perr
}

// copyLayer is the command that has an OCIRepository copy the chart's layer.
func copyLayer(object Object, mediaType string) string {
	patch := fmt.Sprintf(`{"spec":{"layerSelector":{"mediaType":%q,"operation":"copy"}}}`, cmp.Or(mediaType, artifact.MediaTypeLayer))
	return problem.Command("kubectl", "patch", "ocirepository", object.Name, "-n", object.Namespace, "--type=merge", "-p", patch)
}

// checkServed refuses an artifact of an OCIRepository for which no signature vouches, unless the
// location by whose name it is admitted serves it. The records of source-controller do not tell: it
// asks no registry about a digest in spec.ref, and a pull that was in progress when the spec changed
// ends as one of the new spec (seen with 1.9.0).
func (x *examination) checkServed(ctx context.Context) error {
	held := x.chart.Artifact
	if held == nil || held.Manifest.IsZero() || held.Stale || x.chart.MaybeChart {
		return nil
	}
	served := *x
	served.as = artifactKind{any: true, by: x.chart.LayerRule} // a chart or not: nothing is required of it
	resolved, err := served.resolve(ctx)
	if err != nil {
		return err
	}
	return served.checkArtifact(ctx, resolved)
}

// checkUnverified refuses what is admitted without verification unless the source controller itself
// has pulled it from the location by whose name it is admitted: there is no verified digest to
// compare it with. What no release uses is no chart yet; the attempt to deploy it is examined again.
func (x *examination) checkUnverified(ctx context.Context) error {
	c := x.chart
	switch {
	case c.FromElsewhere != nil:
		return c.FromElsewhere
	case !c.MaybeChart && c.Auth.Proxy != "":
		return &problem.Error{
			Kind:   problem.KindUnsupported,
			Detail: "the chart is pulled through a proxy that its source names itself (spec.proxySecretRef), so its URL does not tell which server answers",
			Next:   "remove spec.proxySecretRef; a proxy of the whole cluster can be set on source-controller (HTTPS_PROXY)",
		}
	default:
		return x.checkPulled(ctx)
	}
}

// checkPulled refuses an artifact that source-controller has not pulled from the location.
func (x *examination) checkPulled(ctx context.Context) error {
	if err := x.chart.checkWriter(); err != nil {
		return err
	}
	return x.checkServed(ctx)
}

// checkWriter refuses an artifact that no digest proves unless the source controller wrote it.
func (c Chart) checkWriter() error {
	if c.Artifact != nil && !c.Artifact.ByController {
		return unproven()
	}
	return nil
}

// checkOrigin refuses an artifact that only policies in mode Warn are about, if it is known not to
// come from the location that they are about: no policy is about it then. It asks for less than
// checkUnverified, since the policies are meant to deny nothing at their locations.
func (x *examination) checkOrigin(ctx context.Context) error {
	if x.chart.Artifact != nil && x.chart.FromElsewhere != nil {
		return x.chart.FromElsewhere
	}
	return x.checkPulled(ctx)
}

func unproven() error {
	return &problem.Error{
		Kind:   problem.KindDigestMismatch,
		Detail: "the artifact cannot be proven by its digest, and its writer is not the source controller",
		Next:   "leave status to Flux; if this was Flux, ask the cluster's admin to name its user with --artifact-writers (value artifactWriters)",
	}
}

// mismatch is the error where the artifact that object holds is not the verified chart.
func mismatch(object Object, format string, got, want any) error {
	return &problem.Error{
		Kind:   problem.KindDigestMismatch,
		Detail: fmt.Sprintf(format, got, want),
		Next:   "let Flux pull the chart again: " + verdict.Reconcile(object.Kind, object.Namespace, object.Name),
	}
}

func orUnknown(d chart.Digest) string {
	if d.IsZero() {
		return "not a sha256 digest"
	}
	return d.String()
}
