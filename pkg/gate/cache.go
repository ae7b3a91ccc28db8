package gate

import (
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/chartgate/chartgate/pkg/chart"
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
)

// cacheKey is all that accepted evidence depends on.
type cacheKey struct {
	location   chart.Location
	digest     chart.Digest
	identities string
	trustRoot  string
}

// verifiedChart is a chart together with evidence that satisfied every policy.
type verifiedChart struct {
	resolved chart.Resolved
	evidence []verdict.Evidence
	at       time.Time
}

type verifiedCache struct {
	entries *lru.Cache[cacheKey, verifiedChart]
	now     func() time.Time
}

func newVerifiedCache(now func() time.Time) *verifiedCache {
	entries, err := lru.New[cacheKey, verifiedChart](maxVerified)
	if err != nil {
		panic(err) // only for a size below one
	}
	return &verifiedCache{entries: entries, now: now}
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
	c.entries.Add(key, found)
}
