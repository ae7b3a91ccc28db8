package gate

import (
	"time"

	"github.com/chartgate/chartgate/pkg/artifact"
)

const (
	// recentFor is how old an answer of a registry may be that serves a dry run. Flux and Argo CD
	// run a write dry right before they make it, and again every few minutes; a registry that
	// counts requests (Docker Hub) counts those too, and anyone who may write may run dry as often
	// as they like.
	recentFor = 10 * time.Second
	// maxRecent bounds the answers that are kept for that, each of less than 1 KiB.
	maxRecent = 1000
)

// recent is what references meant a moment ago. Only dry runs read it. The age of an answer counts
// from when the registry was asked.
type recent struct {
	answers *expiring[lookup, artifact.Resolved]
}

func newRecent(now func() time.Time) *recent {
	return &recent{newExpiring[lookup, artifact.Resolved](maxRecent, recentFor, now, nil)}
}

func (r *recent) get(asked lookup) (artifact.Resolved, bool) { return r.answers.get(asked) }

// add keeps the answer to what the registry was asked at that time.
func (r *recent) add(asked lookup, resolved artifact.Resolved, since time.Time) {
	if !resolved.Digest.IsZero() {
		r.answers.add(asked, resolved, since)
	}
}
