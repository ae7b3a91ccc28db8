package source

import (
	"context"

	"github.com/chartgate/chartgate/pkg/chart"
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

// Reader reads sibling objects. An ID without a name asks for all objects of the
// kind in the namespace, and without a namespace in all. What does not exist is
// not in the result; an error means that nobody could tell.
type Reader interface {
	Read(ctx context.Context, id ID) ([]Object, error)
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
	// Problem is why the chart cannot be told. It is a *chart.Problem.
	Problem error
	// Pulled is what the consumer has already pulled. Writes of status carry it;
	// it must be the content that was verified.
	Pulled Pulled
	// MaybeChart is set where the artifact may be something else than a chart, and
	// nothing known uses it as one: an OCIRepository without a HelmRelease.
	MaybeChart bool
}

// Pulled is the content that a consumer says it pulled. A zero digest says
// nothing.
type Pulled struct {
	Manifest chart.Digest
	Layer    chart.Digest
}
