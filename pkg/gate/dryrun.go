package gate

import (
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/chartgate/chartgate/pkg/chart"
)

const (
	// recentFor is how old an answer of a registry may be that serves a dry run. Flux and
	// Argo CD run a write dry right before they make it, and again every few minutes; a
	// registry that counts requests (Docker Hub) counts those too, and anyone who may
	// write may run dry as often as they like.
	recentFor = 10 * time.Second
	// maxRecent bounds the answers that are remembered for that, each of less than 1 KiB.
	maxRecent = 1000
)

// recent is what references meant a moment ago. Only dry runs read it. An answer's age
// counts from when the registry was asked, and reading it does not make it younger.
type recent struct {
	answers *lru.Cache[question, recently]
	now     func() time.Time
}

type recently struct {
	resolved chart.Resolved
	asked    time.Time
}

func newRecent(now func() time.Time) *recent {
	answers, err := lru.New[question, recently](maxRecent)
	if err != nil {
		panic(err) // only for a size below one
	}
	return &recent{answers: answers, now: now}
}

func (r *recent) get(q question) (chart.Resolved, bool) {
	found, ok := r.answers.Get(q)
	if !ok {
		return chart.Resolved{}, false
	}
	if age := r.now().Sub(found.asked); age < 0 || age >= recentFor {
		r.answers.Remove(q)
		return chart.Resolved{}, false
	}
	return found.resolved, true
}

// add remembers an answer to what was asked at that time.
func (r *recent) add(q question, resolved chart.Resolved, asked time.Time) {
	if !resolved.Digest.IsZero() {
		r.answers.Add(q, recently{resolved, asked})
	}
}
