package gate

import (
	"errors"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// Question asks about one field of an object: may what it names become deployable? The zero value
// is denied.
type Question struct {
	Object Object
	Field  string // path in the object, as in "spec.chart.spec"
	Target Target // what the field names; nil is denied
	// Deferrable is set where the absence of an object (problem.KindSourceNotFound) is no reason to
	// deny: nothing can be pulled without it, and what will be pulled meets a gate of its own.
	Deferrable bool
	// Unstored is set where the write itself stores the object that names the registry and its
	// logins. A login that may not be used before (problem.KindNotStored) is then no reason to
	// deny: what is pulled with it meets a gate of its own.
	Unstored bool
	Asker    Asker
}

// Object names an object for verdicts.
type Object struct{ Kind, Namespace, Name string }

// Target is exactly one of Chart, Repository and Unresolved.
type Target interface {
	// shown is what a verdict shows of the target.
	shown() chart.Reference
}

// Chart is a chart that becomes deployable. The zero value is no chart, and is denied.
type Chart struct {
	Reference chart.Reference
	// Auth is how the consumer reaches the registry.
	Auth sourceauth.Auth
	// Artifact is what a source holds already; nil if nothing. The chart is then deployable at
	// once, so this very content must be the verified one.
	Artifact *Artifact
	// FromElsewhere is why the artifact that the source holds may have been pulled from another
	// location than Reference names; nil if it was not. It counts where no signature is required, so
	// that no digest is compared.
	FromElsewhere error
	// LayerRule is how the consumer takes the chart's layer from the artifact.
	LayerRule artifact.LayerRule
	// MaybeChart is set where the artifact may be something else than a chart, and no object is
	// known to use it as one.
	MaybeChart bool
	// UsedElsewhere is set beside MaybeChart where a HelmRelease of another namespace takes its chart
	// from here. A policy must match then.
	UsedElsewhere bool
}

// Repository is a repository of charts; no chart in it is named yet. The zero value is denied.
type Repository struct{ Location chart.Location }

// Unresolved does not lead to a chart. It is denied unless its Question defers the error.
type Unresolved struct {
	// Err is why. It is a *problem.Error.
	Err error
	// Reference is what could be read of the chart's reference, for messages.
	Reference chart.Reference
}

func (c Chart) shown() chart.Reference      { return c.Reference }
func (r Repository) shown() chart.Reference { return chart.Reference{Location: r.Location} }
func (u Unresolved) shown() chart.Reference { return u.Reference }

// Artifact is what a source holds: what its controller has pulled (status.artifact in Flux).
type Artifact struct {
	// Source is the object that holds the artifact; zero where that is the Question's own object.
	Source Object
	// Manifest is the digest that the source resolved; zero where its status does not tell it.
	Manifest chart.Digest
	// Archive is the digest of the archive that consumers download and check; zero if it is of
	// another algorithm than sha256.
	Archive chart.Digest
	// Incomparable is set where Archive cannot equal the digest of the chart's layer: the source
	// makes an archive of its own, or takes digests of another algorithm.
	Incomparable bool
	// Extracted is set where Archive is the digest of what the source has extracted from the chart's
	// layer and packed again, without what Ignore names. It can be computed from the layer.
	Extracted bool
	Ignore    string
	// Outdated is set where an archive of the source's own was made of another spec than the source
	// has now.
	Outdated bool
	// Stale is set where the source is known to pull again before anything of it is deployed.
	Stale bool
	// ByController is set where the source controller itself wrote the artifact. Without this,
	// Archive must equal the digest of the verified chart's layer.
	ByController bool
}

// Asker is what must be known of a write to serve it in its turn. It has no part in any verdict.
// The zero value is for the command line.
type Asker struct {
	// Namespace is that of the object that is written; the work takes from its share of the slots
	// that all writes share.
	Namespace string
	// DryRun is set where nothing will be stored, even if the verdict admits.
	DryRun bool
}

// subject names the question for a verdict.
func (q Question) subject() verdict.Subject {
	subject := verdict.Subject{Kind: q.Object.Kind, Namespace: q.Object.Namespace, Name: q.Object.Name, Field: q.Field}
	if q.Target != nil {
		subject.Reference = q.Target.shown()
	}
	return subject
}

// defers reports whether err, which kept the target from being verified, is no reason to deny it.
func (q Question) defers(err error) bool {
	var perr *problem.Error
	if !errors.As(err, &perr) {
		return false
	}
	return q.Deferrable && perr.Kind == problem.KindSourceNotFound || q.Unstored && perr.Kind == problem.KindNotStored
}

// stored reports whether another object than the one that is written holds the artifact. It has met
// the gate on that object's status, or was there before.
func (a *Artifact) stored() bool { return a != nil && a.Source != Object{} }
