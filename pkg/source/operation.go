package source

import (
	"context"
	"slices"
	"strings"

	"github.com/chartgate/chartgate/pkg/problem"
)

// argoOperation is an Application's operation: the sync that the controller starts as soon as it
// sees it. All fields were observed to decide what is deployed (Argo CD 3.2); argo-cd/v2's types
// lack retry.refresh.
type argoOperation struct {
	Sync  *argoSync `json:"sync"`
	Retry struct {
		Refresh bool `json:"refresh"`
	} `json:"retry"`
}

type argoSync struct {
	Source    *argoSource `json:"source"`
	Sources   argoSources `json:"sources"`
	Revision  string      `json:"revision"`
	Revisions []string    `json:"revisions"`
	Manifests []string    `json:"manifests"`
}

// onlySource is the position of a source that is not in a list.
const onlySource = -1

// revisions are those that a sync names, in place of its sources' own.
type revisions struct {
	single  string
	list    []string
	refresh bool // a retry forgets them
	when    string
}

// forSources returns what is left of the revisions for a list of n sources: Argo CD drops a list of
// another length as a whole (CompareAppState, v2.14 and v3.2).
func (r *revisions) forSources(n int) *revisions {
	if r == nil || len(r.list) == n {
		return r
	}
	left := *r
	left.list = nil
	return &left
}

func (r *revisions) whenOf() string {
	if r == nil {
		return ""
	}
	return r.when
}

// of returns the revision for the source at position i; "" if the sync does not name one.
func (r *revisions) of(i int) string {
	switch {
	case i == onlySource:
		return r.single
	case i < len(r.list):
		return r.list[i]
	default:
		return ""
	}
}

// apply returns the source as the sync deploys it. Without a revision, the controller falls back on
// the source's own.
func (r *revisions) apply(s argoSource, i int) argoSource {
	if r != nil && r.of(i) != "" {
		s.TargetRevision = r.of(i)
	}
	return s
}

// unseen reports whether the controller may read the revision from the source by itself.
func (r *revisions) unseen(i int) bool {
	return r != nil && (r.refresh || r.of(i) == "")
}

// operationFields reads a sync. It is checked even where it repeats spec, because every sync
// deploys again.
func (e *Extractor) operationFields(path string, operation argoOperation, app application, when string) []gatedField {
	sync := operation.Sync
	if sync == nil {
		return nil
	}
	at := &revisions{single: sync.Revision, list: sync.Revisions, refresh: operation.Retry.Refresh, when: when}
	fields := e.syncFields(path+".sync", *sync, at, app)
	if at.refresh {
		// A retry forgets the revisions, and takes the sources' own.
		own := &revisions{refresh: true, when: when}
		fields = appendMissing(fields, e.syncFields(path+".sync", *sync, own, app))
	}
	if len(sync.Manifests) > 0 && (len(fields) > 0 || len(e.syncedFields("spec", app, nil)) > 0) {
		fields = append(fields, manifestsField{path: path + ".sync.manifests", manifests: strings.Join(sync.Manifests, "\x00"), when: when})
	}
	return fields
}

// syncFields reads the sources of a sync with the revisions at. A sync without sources deploys
// those of spec.
func (e *Extractor) syncFields(path string, sync argoSync, at *revisions, app application) []gatedField {
	if len(sync.Sources) == 0 && (sync.Source == nil || sync.Source.isEmpty()) {
		return e.syncedFields(path, app, at)
	}
	return e.argoFields(path, sync.Source, sync.Sources, at)
}

func appendMissing(fields, more []gatedField) []gatedField {
	for _, f := range more {
		if !slices.Contains(fields, f) {
			fields = append(fields, f)
		}
	}
	return fields
}

// manifestsField is a sync of manifests that a user sends instead of the chart's.
type manifestsField struct{ path, manifests, when string }

func (f manifestsField) key() gatedField { return f }

func (f manifestsField) use(context.Context, *Extractor) Use {
	return Use{Field: f.path, Target: Unresolved{Err: &problem.Error{
		Kind:   problem.KindUnsupported,
		Detail: "the sync brings its own manifests in place of the chart, and they are not signed",
		Next:   "sync the chart itself, without --local",
	}}}
}
