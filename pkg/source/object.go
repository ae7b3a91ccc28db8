package source

import (
	"context"
	"errors"
	"fmt"
	"strings"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/chartgate/chartgate/pkg/problem"
)

// ID names an object in a cluster.
type ID struct {
	Group, Kind, Namespace, Name string
}

// String names the object for people.
func (id ID) String() string {
	if id.Namespace == "" {
		return id.Kind + " " + id.Name
	}
	return id.Kind + " " + id.Namespace + "/" + id.Name
}

// fluxSource is the ID of an object of Flux's source-controller.
func fluxSource(kind, namespace, name string) ID {
	return ID{Group: sourcev1.GroupVersion.Group, Kind: kind, Namespace: namespace, Name: name}
}

// Object is an object as the API server has it.
type Object struct {
	ID
	// JSON is the object in any served version; nil if there is no object.
	JSON []byte
}

// Write is a write that the API server is about to make.
type Write struct {
	Object
	// Subresource is "" or "status".
	Subresource string
	// Old is the object's JSON before an update; nil for a creation.
	Old []byte
	// User is the user who writes.
	User string
	// FieldManager is the one that the request names; "" if it names no field manager.
	FieldManager string
}

// Reader reads the objects that a write refers to.
type Reader interface {
	// Read reads one object as it is stored now. The result is empty if the object does not exist;
	// an error says nothing about its existence.
	Read(ctx context.Context, id ID) ([]Object, error)
	// Releases returns the HelmReleases that take their chart from an object (Release.Sources),
	// with the JSON of a Release. The answer may be some seconds old: what it decides is examined
	// again, live, when helm-controller is about to deploy.
	Releases(ctx context.Context, from ID) ([]Object, error)
}

// getOne reads exactly one sibling object. That it does not exist is KindSourceNotFound; that it
// could not be read is KindInternal and says nothing about its existence.
func (e *Extractor) getOne(ctx context.Context, id ID) (Object, error) {
	if id.Namespace == "" || id.Name == "" || strings.Contains(id.Name, "/") {
		return Object{}, problem.Invalid("%s is not the full name of one object", id)
	}
	found, err := e.reader.Read(ctx, id)
	switch {
	case ctx.Err() != nil:
		return Object{}, &problem.Error{Kind: problem.KindTimeout, Detail: fmt.Sprintf("reading %s took too long", id), Err: errors.Join(ctx.Err(), err)}
	case err != nil:
		return Object{}, &problem.Error{Kind: problem.KindInternal, Detail: fmt.Sprintf("%s could not be read", id), Err: err}
	case len(found) > 1:
		return Object{}, problem.Invalid("%s was found %d times, with different content", id, len(found)).
			WithNext("give every object once; verify what a Kustomization makes with: kustomize build DIR | chartgate verify -f - --policy PATH")
	case len(found) == 0:
		return Object{}, &problem.Error{
			Kind:   problem.KindSourceNotFound,
			Detail: fmt.Sprintf("%s does not exist", id),
			Next:   "apply the source first, or correct its name and namespace",
		}
	default:
		return found[0], nil
	}
}
