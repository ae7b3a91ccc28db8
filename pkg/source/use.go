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

// Use is one chart that a write makes deployable, and where in the object. Exactly
// one of Reference, Repository and Problem is set.
type Use struct {
	Object ID
	Field  string // path in the object, as in "spec.chart.spec"
	// Reference is the chart.
	Reference chart.Reference
	// Repository is a repository of charts; no chart is named yet.
	Repository chart.Location
	// Problem is why the chart cannot be told. It is a *problem.Error.
	Problem error
	// Deferrable is set where the absence of an object (problem.KindSourceNotFound) is no
	// reason to deny: nothing can be pulled without it, and what will be pulled meets a
	// gate of its own.
	Deferrable bool
	// Unstored is set where the write itself stores the object that names the registry and
	// its logins. A login that may not be used before (problem.KindNotStored) is then no
	// reason to deny: what is pulled with it meets a gate of its own.
	Unstored bool
	// Access is how the consumer reaches the registry.
	Access sourceauth.Auth
	// Pulled is what a source has already pulled, nil if nothing. The chart is then
	// deployable at once, so this very content must be the verified one.
	Pulled *Pulled
	// Refused is why the artifact that the source holds already cannot be the chart that the use
	// names, nil if it can. It does not count where the use is no chart.
	Refused error
	// Taking is how the consumer takes the chart's layer from the artifact.
	Taking chart.Taking
	// Asker is the write that waits for the verdict.
	Asker Asker
	// MaybeChart is set where the artifact may be something else than a chart, and
	// nothing known uses it as one: an OCIRepository without a HelmRelease.
	MaybeChart bool
}

// AnyArtifact reports whether the consumer may deploy something else than a chart. Then
// it need not be one, and a policy that matches asks for its signature all the same.
func (u Use) AnyArtifact() bool { return u.MaybeChart || u.Taking.Anything() }

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

// Stored reports whether another object than the one that is written holds the artifact. It
// has met the gate on that object's status, or was there before.
func (p Pulled) Stored() bool { return p.Source != ID{} }

// Pulled is the artifact in a source's status.
type Pulled struct {
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
	// Vouched is set where the source controller itself wrote the artifact. Status
	// is not only the controllers' to write: Flux's flux-edit role lets editors of a
	// namespace write it. Without this, Archive must be proven.
	Vouched bool
}
