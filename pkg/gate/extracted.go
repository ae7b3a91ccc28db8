package gate

import (
	"context"
	"crypto/sha256"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/chartgate/chartgate/pkg/archive"
	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/coalesce"
	"github.com/chartgate/chartgate/pkg/fair"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// extraction is what a source makes of a layer: it extracts the layer, and packs the files again
// without those that its rules leave out.
type extraction struct {
	layer  chart.Digest
	ignore [sha256.Size]byte
}

// extracting is an extraction in progress. What one registry answers with one login is an answer to
// those alone who have asked it so.
type extracting struct {
	extraction
	location chart.Location
	access   sourceauth.Auth
}

// extractions are the digests of the archives that sources have made of layers. They follow from the
// layer and the rules, so they never grow old.
type extractions struct {
	known *lru.Cache[extraction, chart.Digest]
	work  *coalesce.Group[extracting, chart.Digest]
}

func newExtractions() *extractions {
	known, err := lru.New[extraction, chart.Digest](maxVerified)
	if err != nil {
		panic(err) // only for a size below one
	}
	return &extractions{known: known, work: coalesce.New[extracting, chart.Digest](maxShared)}
}

// extracted returns the digest of the archive that a source which extracts the layer of a resolved
// chart must hold.
func (x *examination) extracted(ctx context.Context, resolved artifact.Resolved, ignore string) (chart.Digest, error) {
	g, key := x.gate, extraction{resolved.Layer, sha256.Sum256([]byte(ignore))}
	if digest, ok := g.extractions.known.Get(key); ok {
		return digest, nil
	}
	work := extracting{key, resolved.Location, x.access}
	digest, err := g.extractions.work.DoFor(ctx, x.question.Asker.Namespace, work, func(ctx context.Context, callers *coalesce.Callers) (chart.Digest, error) {
		access := x.access
		access.Askers = callers
		digest, err := g.extract(ctx, resolved, access, ignore)
		if err == nil {
			g.extractions.known.Add(key, digest) // also where no caller has waited for it
		}
		return digest, err
	})
	return digest, x.timely(err)
}

// extract fetches the layer and does with it what the source has done.
func (g *Gate) extract(ctx context.Context, resolved artifact.Resolved, access sourceauth.Auth, ignore string) (chart.Digest, error) {
	release, err := g.archives.Acquire(ctx, 1, fair.Share{Tenants: access.Askers, Resource: resolved.Location.String()})
	if err != nil {
		return chart.Digest{}, timeout(chart.Reference{Location: resolved.Location}, err)
	}
	defer release()
	content, err := g.registry.Archive(ctx, resolved, access)
	if err != nil {
		return chart.Digest{}, err
	}
	if err := checkArchive(content, resolved); err != nil {
		return chart.Digest{}, err
	}
	return archive.Extracted(ctx, content, ignore)
}
