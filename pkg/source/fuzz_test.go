package source_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/source"
)

// anything answers every question with the same body.
type anything struct{ body []byte }

func (a anything) Read(_ context.Context, id source.ID) ([]source.Object, error) {
	if len(a.body) == 0 {
		return nil, nil
	}
	return []source.Object{{ID: id, JSON: a.body}}, nil
}

func (a anything) Releases(_ context.Context, from source.ID) ([]source.Object, error) {
	if len(a.body) == 0 {
		return nil, nil
	}
	return []source.Object{{ID: source.ID{Kind: "HelmRelease", Namespace: from.Namespace, Name: "x"}, JSON: a.body}}, nil
}

// FuzzExtract sends any body through every door: nothing panics, every error is one
// that a person can read, and a use without a problem names a canonical place.
func FuzzExtract(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 6))
	for i, d := range doors() {
		for range 8 {
			f.Add(uint8(i), encode(f, d.random(r)), encode(f, d.random(r)), encode(f, randomRepository(r)))
		}
		f.Add(uint8(i), []byte(`{"spec":[]}`), []byte(nil), []byte(`{`))
	}
	f.Fuzz(func(t *testing.T, which uint8, body, old, sibling []byte) {
		d := doors()[int(which)%len(doors())]
		e := source.NewExtractor(anything{sibling}, source.Options{DenyArgoGit: which > 100})
		w := d.write(body)
		if len(old) > 0 {
			w.Old = old
		}
		changes, err := e.Changes(w)
		if err != nil {
			requireProblem(t, err)
			return
		}
		if w.Old != nil && changes.Empty() && json.Valid(body) && json.Valid(old) {
			checkRepetition(t, e, d, body, old)
		}
		uses := e.Uses(t.Context(), changes)
		if changes.Empty() != (len(uses) == 0) {
			t.Fatalf("None is %t with %d uses", changes.Empty(), len(uses))
		}
		for _, u := range uses {
			checkUse(t, u)
		}
		w.Old = body
		if again, err := e.Changes(w); err != nil || !again.Empty() {
			t.Fatalf("repeating the object is news: %v", err)
		}
	})
}

// checkRepetition makes sure that what is no news was there before.
func checkRepetition(t *testing.T, e *source.Extractor, d door, body, old []byte) {
	t.Helper()
	before, err := e.Changes(d.write(old))
	if err != nil {
		return // it cannot be read, and is repeated
	}
	after, err := e.Changes(d.write(body))
	if err != nil {
		return // it cannot be read where nothing matters, as spec in a write of status
	}
	known := e.Uses(t.Context(), before)
	for _, u := range e.Uses(t.Context(), after) {
		if !slices.ContainsFunc(known, func(k source.Use) bool { return show(k) == show(u) }) {
			t.Fatalf("%s was not there before", show(u))
		}
	}
}

func requireProblem(t *testing.T, err error) {
	t.Helper()
	var perr *problem.Error
	if !errors.As(err, &perr) || perr.Detail == "" {
		t.Fatalf("%T: %v", err, err)
	}
}

func checkUse(t *testing.T, u source.Use) {
	t.Helper()
	var location chart.Location
	switch target := u.Target.(type) {
	case source.Unresolved:
		requireProblem(t, target.Err)
		return
	case source.Repository:
		location = target.Location
	case source.Chart:
		if location = target.Reference.Location; target.Reference.Selector.IsZero() {
			t.Fatalf("no version: %+v", u)
		}
	}
	if location.IsZero() {
		t.Fatalf("want a chart or a repository: %+v", u)
	}
	if canonical, err := chart.ParseLocation(location.String()); err != nil || canonical != location {
		t.Fatalf("%s is not canonical: %v", location, err)
	}
}
