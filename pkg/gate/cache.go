package gate

import (
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/verdict"
)

const (
	// maxVerified bounds the cache. An entry takes about 2 KiB, so a full cache
	// takes about 40 MiB; larger clusters deploy some thousand distinct charts.
	maxVerified = 20_000
	// verifiedFor bounds an entry's age. The content of a digest never changes, and
	// policies are judged anew each time; the limit makes withdrawn log keys or
	// certificates that arrive with a new trust root the only thing that matters,
	// and these change the key.
	verifiedFor = time.Hour
	// maxContent bounds the predicates in the cache: the SBOMs of some hundred charts.
	// A chart whose own exceed it is verified each time.
	maxContent = 64 << 20
)

// cacheKey is all that accepted evidence depends on.
type cacheKey struct {
	location   chart.Location
	digest     chart.Digest
	identities string
	as         artifact // what is no chart is one by no other way of taking it
	trustRoots string   // "" while one of them cannot be used
}

// archiveKey is a cacheKey by the digest of the chart's archive, which is all that the status
// of a HelmChart tells.
type archiveKey struct {
	location   chart.Location
	archive    chart.Digest
	identities string
	trustRoots string
}

// verifiedChart is a chart together with evidence that satisfied every policy.
type verifiedChart struct {
	resolved chart.Resolved
	evidence []evidence.Evidence
	vendored bool // it contains the sub-charts that it declares; false if nobody asked
	at       time.Time
}

func (v verifiedChart) examined() examined {
	return examined{resolved: v.resolved, findings: verdict.Findings{Evidence: v.evidence}, dependencies: dependencies{vendored: v.vendored}}
}

// bytes is what the predicates of attestations take, which are judged anew each time.
func (v verifiedChart) bytes() int64 {
	var n int64
	for _, e := range v.evidence {
		n += int64(len(e.Content))
	}
	return n
}

type verifiedCache struct {
	entries *lru.Cache[cacheKey, verifiedChart]
	digests *lru.Cache[archiveKey, chart.Digest] // of charts by their archives
	now     func() time.Time
	adding  sync.Mutex
	content atomic.Int64 // of the predicates in it
}

func newVerifiedCache(now func() time.Time) *verifiedCache {
	c := &verifiedCache{now: now}
	entries, err := lru.NewWithEvict(maxVerified, func(_ cacheKey, gone verifiedChart) { c.content.Add(-gone.bytes()) })
	if err != nil {
		panic(err) // only for a size below one
	}
	c.entries = entries
	if c.digests, err = lru.New[archiveKey, chart.Digest](maxVerified); err != nil {
		panic(err) // only for a size below one
	}
	return c
}

// digestOf returns the digest of a verified chart with this archive, zero if none is known. It
// may have been forgotten since: get decides.
func (c *verifiedCache) digestOf(key cacheKey, archive chart.Digest) chart.Digest {
	if archive.IsZero() {
		return chart.Digest{}
	}
	digest, _ := c.digests.Get(archiveKey{key.location, archive, key.identities, key.trustRoots})
	return digest
}

func (c *verifiedCache) get(key cacheKey) (verifiedChart, bool) {
	found, ok := c.entries.Get(key)
	if !ok {
		return verifiedChart{}, false
	}
	if age := c.now().Sub(found.at); age < 0 || age > verifiedFor {
		c.entries.Remove(key)
		return verifiedChart{}, false
	}
	return found, true
}

func (c *verifiedCache) add(key cacheKey, found verifiedChart) {
	found.at = c.now()
	if key.trustRoots == "" || found.bytes() > maxContent {
		return
	}
	c.adding.Lock()
	defer c.adding.Unlock()
	c.entries.Remove(key) // so that what it replaces is counted out
	c.content.Add(found.bytes())
	c.entries.Add(key, found)
	c.digests.Add(archiveKey{key.location, found.resolved.Layer, key.identities, key.trustRoots}, key.digest)
	for c.content.Load() > maxContent && c.entries.Len() > 0 {
		c.entries.RemoveOldest()
	}
}
