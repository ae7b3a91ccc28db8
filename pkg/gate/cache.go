package gate

import (
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/verdict"
)

const (
	// maxVerified bounds the cache. An entry takes about 2 KiB, so a full cache takes about 40 MiB;
	// larger clusters deploy some thousand distinct charts.
	maxVerified = 20_000
	// verifiedFor bounds an entry's age. The content of a digest never changes, and the policies
	// judge what is cached in every admission. What remains are log keys and certificates that are
	// withdrawn: they arrive with a new trust root, which changes the key.
	verifiedFor = time.Hour
	// maxContent bounds the predicates in the cache: the SBOMs of some hundred charts. A chart
	// whose own exceed it is verified each time.
	maxContent = 64 << 20
)

// cacheKey is all that accepted evidence depends on.
type cacheKey struct {
	location   chart.Location
	digest     chart.Digest
	identities string       // the fingerprint of the policies
	as         artifactKind // what is not a chart was taken in this way, and in no other
	trustRoots string       // "" while one of them cannot be used
}

// archiveKey is a cacheKey by the digest of the chart's archive, which is all that the status of a
// HelmChart tells.
type archiveKey struct {
	location   chart.Location
	archive    chart.Digest
	identities string
	trustRoots string
}

// verifiedChart is a chart together with evidence that satisfied every policy.
type verifiedChart struct {
	resolved artifact.Resolved
	evidence []evidence.Evidence
	vendored bool // it contains the sub-charts that it declares; false if no policy asked
}

func (v *verifiedChart) examined() examined {
	return examined{
		resolved: v.resolved, findings: verdict.Findings{Evidence: v.evidence},
		dependencies: dependencies{vendored: v.vendored},
	}
}

// bytes is the size of the predicates of attestations, which are judged in every admission.
func (v *verifiedChart) bytes() int64 {
	var n int64
	for _, e := range v.evidence {
		n += int64(len(e.Content))
	}
	return n
}

// verifiedCache holds verified charts.
type verifiedCache struct {
	charts  *expiring[cacheKey, *verifiedChart]
	digests *lru.Cache[archiveKey, chart.Digest] // of charts by their archives
	adding  sync.Mutex
	content atomic.Int64 // bytes of the predicates in it
	// hits counts the examinations that needed no search; misses counts the others.
	hits, misses atomic.Int64
}

// CacheStats count what the verified charts in memory are worth.
type CacheStats struct {
	// Hits are the charts that were in the cache since the start, and Misses those that were
	// searched for.
	Hits, Misses int64
	// Entries are the charts in the cache now.
	Entries int
}

// CacheStats returns those of the cache of verified charts.
func (g *Gate) CacheStats() CacheStats {
	c := g.verified
	return CacheStats{Hits: c.hits.Load(), Misses: c.misses.Load(), Entries: c.charts.entries.Len()}
}

func newVerifiedCache(now func() time.Time) *verifiedCache {
	c := &verifiedCache{}
	c.charts = newExpiring[cacheKey](maxVerified, verifiedFor, now, func(gone *verifiedChart) { c.content.Add(-gone.bytes()) })
	var err error
	if c.digests, err = lru.New[archiveKey, chart.Digest](maxVerified); err != nil {
		panic(err) // only for a size below one
	}
	return c
}

// digestOf returns the digest of a verified chart with this archive, zero if it is not known. The
// chart may have left the cache since: get decides.
func (c *verifiedCache) digestOf(key cacheKey, archive chart.Digest) chart.Digest {
	if archive.IsZero() {
		return chart.Digest{}
	}
	digest, _ := c.digests.Get(archiveKey{key.location, archive, key.identities, key.trustRoots})
	return digest
}

// get returns nil if the chart is not in the cache.
func (c *verifiedCache) get(key cacheKey) *verifiedChart {
	found, _ := c.charts.get(key)
	return found
}

func (c *verifiedCache) add(key cacheKey, found *verifiedChart) {
	if key.trustRoots == "" || found.bytes() > maxContent {
		return
	}
	c.adding.Lock()
	defer c.adding.Unlock()
	c.charts.entries.Remove(key) // so that what it replaces is counted out
	c.content.Add(found.bytes())
	c.charts.add(key, found, c.charts.now())
	c.digests.Add(archiveKey{key.location, found.resolved.Layer, key.identities, key.trustRoots}, key.digest)
	for c.content.Load() > maxContent && c.charts.entries.Len() > 0 {
		c.charts.entries.RemoveOldest()
	}
}
