package gate

import (
	"context"
	"errors"
	"fmt"

	"github.com/chartgate/chartgate/pkg/archive"
	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/fair"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// dependencies is what is known of the sub-charts that a chart declares. The zero value
// knows nothing, which does not satisfy a policy that asks.
type dependencies struct {
	vendored bool     // the archive contains all of them
	missing  []string // those that it does not contain
	err      error    // why nothing is known
}

// maxArchives bounds the archives that are held at the same time: each may take 16 MiB,
// and 64 MiB unpacked (pkg/archive). More wait; one namespace holds one of them at most.
const maxArchives = 2

// dependencies reads the archive of a chart whose signatures hold: it is what was signed, by the
// digest of its layer.
func (s *search) dependencies(ctx context.Context, resolved artifact.Resolved, access sourceauth.Auth) dependencies {
	gate := s.x.gate
	switch {
	case resolved.Other && s.x.as.by.Anything():
		return dependencies{err: &problem.Error{
			Kind:   problem.KindNotAChart,
			Detail: fmt.Sprintf("%s@%s is not a Helm chart by its media types, but Argo CD renders one if there is a Chart.yaml in it, so its dependencies cannot be checked", resolved.Location, resolved.Digest),
			Next:   "push it with helm push if it is a chart, or ask the platform team to exclude it from the policy that says dependencies: Vendored",
		}}
	case resolved.Other:
		return dependencies{vendored: true} // Flux renders no chart from it
	}
	release, err := gate.archives.Acquire(ctx, 1, fair.Share{Tenants: access.Askers, Resource: resolved.Location.String()})
	if err != nil {
		return dependencies{err: timeout(chart.Reference{Location: resolved.Location}, err)}
	}
	defer release()
	content, err := gate.registry.Archive(ctx, resolved, access)
	if err != nil {
		return dependencies{err: err}
	}
	missing, err := archive.MissingDependencies(content)
	return dependencies{vendored: err == nil && len(missing) == 0, missing: missing, err: err}
}

func (d dependencies) denial(subject verdict.Subject) verdict.Denial {
	switch {
	case d.err != nil:
		return verdict.FromError(d.err)
	case len(d.missing) > 0:
		return verdict.DependenciesMissing(subject, d.missing)
	default:
		return verdict.FromError(errors.New("the chart's dependencies were not checked"))
	}
}
