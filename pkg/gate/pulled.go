package gate

import (
	"cmp"
	"fmt"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// checkPulled compares the artifact that a source serves with the chart that was
// verified. An artifact is accepted when its digest proves it, whoever wrote it;
// one that cannot be proven, because the source repackages the chart or digests it
// otherwise, only on the source controller's own word.
func checkPulled(use chartUse, resolved chart.Resolved) error {
	held := use.Artifact
	if held == nil {
		return nil
	}
	object := cmp.Or(held.Source, use.Object)
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
		return mismatch(object, "the artifact's digest is %s, but the verified chart's archive is %s", or(held.Archive), resolved.Layer)
	}
}

// checkUnverified refuses an artifact that is admitted without verification unless
// the source controller itself wrote it: there is no digest to prove it by.
func checkUnverified(use chartUse) error {
	if use.Artifact == nil || use.Artifact.ByController {
		return nil
	}
	return unproven()
}

func unproven() error {
	return &problem.Error{
		Kind:   problem.KindDigestMismatch,
		Detail: "the artifact cannot be proven by its digest, and its writer is not the source controller",
		Next:   "leave status to Flux; if this was Flux, the admin must name its user with --artifact-writers",
	}
}

// mismatch is the denial of an artifact that object holds and that is not the verified
// chart.
func mismatch(object source.ID, format string, got, want any) error {
	return &problem.Error{
		Kind:   problem.KindDigestMismatch,
		Detail: fmt.Sprintf(format, got, want),
		Next:   "let Flux pull the chart again: " + verdict.Reconcile(object.Kind, object.Namespace, object.Name),
	}
}

func or(d chart.Digest) string {
	if d.IsZero() {
		return "not a sha256 digest"
	}
	return d.String()
}
