package gate

import (
	"cmp"
	"fmt"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// checkArtifact compares the artifact that a source holds with the chart that was verified. An
// artifact whose digest proves it is accepted, by any author. One whose digest proves nothing,
// because the source repackages the chart or uses another digest algorithm, is accepted only if the
// source controller itself wrote it.
func (x *examination) checkArtifact(resolved artifact.Resolved) error {
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

// checkUnverified refuses what is admitted without verification unless the source controller itself
// has pulled it from the location by whose name it is admitted: there is no verified digest to
// compare it with. What no release uses is no chart yet; the attempt to deploy it is examined again.
func (c Chart) checkUnverified() error {
	switch {
	case c.FromElsewhere != nil:
		return c.FromElsewhere
	case !c.MaybeChart && c.Refused != nil:
		return c.Refused
	case !c.MaybeChart && c.Auth.Proxy != "":
		return &problem.Error{
			Kind:   problem.KindUnsupported,
			Detail: "the chart is pulled through a proxy that its source names itself (spec.proxySecretRef), so its URL does not tell which server answers",
			Next:   "remove spec.proxySecretRef; a proxy of the whole cluster can be set on source-controller (HTTPS_PROXY)",
		}
	default:
		return c.checkWriter()
	}
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
func (c Chart) checkOrigin() error {
	if c.Artifact != nil && c.FromElsewhere != nil {
		return c.FromElsewhere
	}
	return c.checkWriter()
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
