package registry

import (
	"context"
	"fmt"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/chartgate/chartgate/pkg/problem"
)

// fetched is what became of one piece of material.
type fetched struct {
	item
	// late reads it when it is its turn: what is large is not read ahead, since it would hold its
	// place in memory while it waits.
	late  func() item
	bytes int // that were read for it
}

// ahead yields what is fetched for each of the list, in order. The first ones are fetched one by
// one: most searches end with them. Then more and more are fetched at the same time, since whoever
// has to go through hundreds has seconds for it.
func ahead[T any](s search, list []T, fetch func(T) []fetched) items {
	return func(yield func(item) bool) {
		spent := int64(0)
		for size, first := 1, true; len(list) > 0; first = false {
			batch := list[:min(size, len(list))]
			list = list[len(batch):]
			results := make([][]fetched, len(batch))
			var group sync.WaitGroup
			for i, one := range batch {
				group.Go(func() { results[i] = fetch(one) })
			}
			group.Wait()
			for _, result := range results {
				for _, f := range result {
					if spent > maxMaterial {
						yield(item{err: s.tooLarge()})
						return
					}
					i := f.item
					if f.late != nil {
						i = f.late()
						spent += int64(len(i.material.Content))
					}
					spent += int64(f.bytes)
					if (i.material.Format != 0 || i.err != nil) && !yield(i) {
						return
					}
				}
			}
			if !first {
				size = min(2*size, maxAhead)
			}
		}
	}
}

// tooLarge is the problem that a list was not looked at to its end.
func (s search) tooLarge() error {
	return &problem.Error{
		Kind:   problem.KindLimitExceeded,
		Detail: fmt.Sprintf("the signature material of %s has more than the %d MiB that chartgate reads", s.name, maxMaterial>>20),
		Next:   "remove old attestations from the registry, or sign again under a new version",
	}
}

// fetch reads the content of a layer, at once if it is small and when it is its turn otherwise. made
// turns it into an item.
func (s search) fetch(ctx context.Context, layer ocispec.Descriptor, limit int64, made func(answer, error) item) fetched {
	read := func() item {
		content, done, err := s.bulk(ctx, layer, limit)
		i := made(content, err)
		i.done = done
		return i
	}
	if layer.Size > maxBundle || layer.Size <= 0 && limit > maxBundle {
		return fetched{late: read}
	}
	i := read()
	return fetched{item: i, bytes: len(i.material.Content)}
}
