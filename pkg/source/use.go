package source

import (
	"errors"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// Use is one field of an object by which a write makes a chart deployable.
type Use struct {
	Object ID
	Field  string // path in the object, as in "spec.chart.spec"
	// Target is what the field names. The zero value, nil, is denied.
	Target Target
	// Deferrable is set where the absence of an object (problem.KindSourceNotFound) is no reason to
	// deny: nothing can be pulled without it, and what will be pulled meets a gate of its own.
	Deferrable bool
	// Unstored is set where the write itself stores the object that names the registry and its
	// logins. A login that may not be used before (problem.KindNotStored) is then no reason to
	// deny: what is pulled with it meets a gate of its own.
	Unstored bool
}

// Target is exactly one of Chart, Repository and Unresolved.
type Target interface{ target() }

// Chart is a chart that is deployable once the write is made. The zero value is no chart, and is
// denied.
type Chart struct {
	Reference chart.Reference
	// Auth is how the consumer reaches the registry.
	Auth sourceauth.Auth
	// Artifact is what a source holds already; nil if it holds nothing. The chart is then
	// deployable at once, so this content must be the verified one.
	Artifact *Artifact
	// FromElsewhere is why the artifact that the source holds may have been pulled from another
	// location than Reference names; nil if it was not. It counts where no signature is required, so
	// that no digest is compared.
	FromElsewhere error
	// LayerRule is how the consumer takes the chart's layer from the artifact.
	LayerRule artifact.LayerRule
	// MaybeChart is set where the artifact may be something else than a chart, and no object is
	// known to use it as one: an OCIRepository without a HelmRelease.
	MaybeChart bool
	// UsedElsewhere is set beside MaybeChart where a HelmRelease of another namespace takes its chart
	// from here. A policy must match then.
	UsedElsewhere bool
}

// Repository is a repository of charts; the write names no chart in it yet. The zero value is
// denied.
type Repository struct{ Location chart.Location }

// Unresolved is a use that does not lead to a chart. It is denied unless its Use defers the error.
type Unresolved struct {
	// Err is why. It is a *problem.Error.
	Err error
	// Reference is what could be read of the chart's reference, for messages.
	Reference chart.Reference
}

func (Chart) target()      {}
func (Repository) target() {}
func (Unresolved) target() {}

// unless returns c, or the error if there is one.
func (c Chart) unless(err error) Target {
	if err != nil {
		return Unresolved{Err: err, Reference: c.Reference}
	}
	return c
}

// deferrable lets the absence of a source, or of a Secret that it refers to, defer: Flux dry-runs a
// whole Kustomization before it applies the first object, HelmReleases before their sources, so a
// denial would block both for ever. Nothing can be pulled from what does not exist, and what is
// pulled later meets the gates on HelmChart, OCIRepository and their status. Only absence defers;
// every other error denies.
func (e *Extractor) deferrable(use Use) Use {
	use.Deferrable = !e.options.DenyMissingSource
	return use
}

// Defers reports whether err, which kept the use from being resolved, is no reason to deny it.
func (u Use) Defers(err error) bool {
	var perr *problem.Error
	if !errors.As(err, &perr) {
		return false
	}
	return u.Deferrable && perr.Kind == problem.KindSourceNotFound || u.Unstored && perr.Kind == problem.KindNotStored
}
