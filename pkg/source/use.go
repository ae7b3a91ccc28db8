package source

import (
	"context"
	"errors"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// ID names an object in a cluster.
type ID struct {
	Group, Kind, Namespace, Name string
}

// Object is an object as the API server has it.
type Object struct {
	ID
	// JSON is the object in any served version; nil if there is no object.
	JSON []byte
}

// Reader reads the objects that a write leans on.
type Reader interface {
	// Read reads one object as it is stored now. What does not exist is not in the result; an
	// error says nothing about its existence.
	Read(ctx context.Context, id ID) ([]Object, error)
	// Releases returns the HelmReleases that take their chart from an object (Release.Sources),
	// with the JSON of a Release. The answer may be some seconds old: what it decides is looked
	// at again, live, when helm-controller is about to deploy.
	Releases(ctx context.Context, from ID) ([]Object, error)
}

// Write is a write that the API server is about to make.
type Write struct {
	Object
	// Subresource is "" or "status".
	Subresource string
	// Old is the object's JSON before an update; nil for a creation.
	Old []byte
	// User is who writes.
	User string
	// FieldManager is the one that the request names; "" if it names none.
	FieldManager string
}

// Use is one place of an object where a write makes a chart deployable.
type Use struct {
	Object ID
	Field  string // path in the object, as in "spec.chart.spec"
	// Target is what the field names. The zero value, nil, is denied.
	Target Target
	// Deferrable is set where the absence of an object (problem.KindSourceNotFound) is no reason to
	// deny: nothing can be pulled without it, and what will be pulled meets a gate of its own.
	Deferrable bool
	// Unstored is set where the write itself stores the object that names the registry and its
	// logins. A login that may not be used before (problem.KindNotStored) is then no reason to deny:
	// what is pulled with it meets a gate of its own.
	Unstored bool
	// Asker is the write that waits for the verdict.
	Asker Asker
}

// Target is exactly one of Chart, Repository and Unresolved.
type Target interface{ target() }

// Chart is a chart that is deployable once the write is made. The zero value is no chart, and is
// denied.
type Chart struct {
	Reference chart.Reference
	// Access is how the consumer reaches the registry.
	Access sourceauth.Auth
	// Artifact is what a source holds already; nil if nothing. The chart is then deployable at
	// once, so this very content must be the verified one.
	Artifact *Artifact
	// Refused is why the artifact that the source holds cannot be the chart that Reference names;
	// nil if it can. It does not count where the artifact is no chart.
	Refused error
	// Taking is how the consumer takes the chart's layer from the artifact.
	Taking chart.Taking
	// MaybeChart is set where the artifact may be something else than a chart, and no object is
	// known to use it as one: an OCIRepository without a HelmRelease.
	MaybeChart bool
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

// or returns c, or what is left of it if there is an error.
func (c Chart) or(err error) Target {
	if err != nil {
		return Unresolved{Err: err, Reference: c.Reference}
	}
	return c
}

// AnyArtifact reports whether the consumer may deploy something else than a chart. Then
// it need not be one, and a policy that matches asks for its signature all the same.
func (c Chart) AnyArtifact() bool { return c.MaybeChart || c.Taking.Anything() }

// Asker is what must be known of a write to serve it in its turn. It has no part in any
// verdict. The zero value is somebody on a command line.
type Asker struct {
	// Namespace is that of the object that is written, to whose share of the places that
	// all writes share the work counts.
	Namespace string
	// DryRun is set where nothing will be stored, whatever the verdict.
	DryRun bool
}

// Defers reports whether err, which kept the use from being verified, is no reason to
// deny it.
func (u Use) Defers(err error) bool {
	var perr *problem.Error
	if !errors.As(err, &perr) {
		return false
	}
	return u.Deferrable && perr.Kind == problem.KindSourceNotFound || u.Unstored && perr.Kind == problem.KindNotStored
}

// Artifact is what a Flux source holds: what its controller has pulled (status.artifact).
type Artifact struct {
	// Source is the object that holds the artifact; zero where that is the object of the
	// Use itself.
	Source ID
	// Manifest is the digest that the source resolved; zero for a HelmChart, whose
	// status does not tell it.
	Manifest chart.Digest
	// Archive is the digest of the archive that consumers download and check; zero
	// if it is of another algorithm than sha256.
	Archive chart.Digest
	// Incomparable is set where Archive cannot equal the digest of the chart's layer:
	// the source makes an archive of its own, or takes digests of another algorithm.
	Incomparable bool
	// Outdated is set where an archive of the source's own was made of another spec than the
	// source has now.
	Outdated bool
	// ByController is set where the source controller itself wrote the artifact. Editors of a
	// namespace may write status too (Flux's flux-edit role). Without this, Archive must equal the
	// digest of the verified chart's layer.
	ByController bool
}

// Stored reports whether another object than the one that is written holds the artifact. It
// has met the gate on that object's status, or was there before.
func (a Artifact) Stored() bool { return a.Source != ID{} }
