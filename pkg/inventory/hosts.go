package inventory

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// maxSilent is how often in a row a registry may give no answer before it is not asked again in a
// run: each time costs the timeout of a chart, and there may be thousands.
const maxSilent = 3

// maxSpent bounds the time of a run that is spent on charts behind one proxy of a tenant, in all. Rows come in the order
// of the objects, so thousands of charts behind a slow one would hold up those of everyone else for hours.
const maxSpent = 30 * time.Minute

// way is a registry, and how it is reached. A tenant's proxy or certificates decide whether a registry answers, so that
// what is seen through them says nothing about the registry for others (limitKey in package registry).
type way struct {
	host string
	by   string // whose proxy or certificates, for people; "" if they are not a tenant's
	// proxied is set where a source of Flux names a proxy.
	proxied bool
}

// wayTo returns the way to the registry of a chart. Names are all that is known here of how a consumer reaches it: for
// Argo CD, those of its repository Secrets are not, but a project decides which of them are used.
func wayTo(asked gate.Chart) way {
	auth := asked.Auth
	w := way{host: asked.Reference.Location.Host(), proxied: auth.Proxy != ""}
	switch {
	case auth.Consumer == sourceauth.ArgoCD:
		w.by = "as project " + problem.QuoteInput(auth.Project) + " of Argo CD reaches it"
	case auth.Proxy != "" || auth.Certificates != "":
		var names []string
		if auth.Proxy != "" {
			names = append(names, "the proxy in Secret "+auth.Proxy)
		}
		if auth.Certificates != "" {
			names = append(names, "the certificates in Secret "+auth.Certificates)
		}
		w.by = "with " + strings.Join(names, " and ") + " of namespace " + auth.Namespace
	}
	return w
}

// String names the way for people.
func (w way) String() string {
	if w.by == "" {
		return w.host
	}
	return w.host + ", " + w.by + ","
}

// hosts bounds the work at each registry, and remembers those that do not answer.
type hosts struct {
	perHost int
	mu      sync.Mutex
	known   map[way]*host
}

type host struct {
	places  *semaphore.Weighted
	answers int           // so far
	silent  int           // answers that did not come, in a row
	spent   time.Duration // in all, behind a proxy
}

// visit is a chart's turn at a registry.
type visit struct {
	*hosts
	at  *host
	way way
	// answers are those that the registry had given to others when the turn began.
	answers int
}

func newHosts(perHost int) *hosts { return &hosts{perHost: perHost, known: map[way]*host{}} }

func (h *hosts) of(w way) *host {
	h.mu.Lock()
	defer h.mu.Unlock()
	found := h.known[w]
	if found == nil {
		found = &host{places: semaphore.NewWeighted(int64(h.perHost))}
		h.known[w] = found
	}
	return found
}

// enter waits for a place at a registry, until the visit leaves. It fails where the
// registry is known not to answer, or has taken too long.
func (h *hosts) enter(ctx context.Context, w way) (visit, error) {
	at := h.of(w)
	if err := at.places.Acquire(ctx, 1); err != nil {
		return visit{}, &problem.Error{Kind: problem.KindTimeout, Detail: "the scan ended before " + w.String() + " could be asked", Err: err}
	}
	h.mu.Lock()
	v := visit{hosts: h, at: at, way: w, answers: at.answers}
	useless := at.useless()
	h.mu.Unlock()
	if useless != "" {
		v.leave()
		return visit{}, &problem.Error{
			Kind:   problem.KindUnavailable,
			Detail: fmt.Sprintf("%s %s, so it was not asked again in this run", w, useless),
			Next:   "check that " + w.host + " is up and can be reached from here, and run again",
		}
	}
	return v, nil
}

// useless says why the registry is not asked again; "" if it is.
func (at *host) useless() string {
	switch {
	case at.silent >= maxSilent:
		return fmt.Sprintf("gave no answer %d times in a row", maxSilent)
	case at.spent >= maxSpent:
		return fmt.Sprintf("has taken %s for its answers", maxSpent)
	default:
		return ""
	}
}

// leave frees the place.
func (v visit) leave() { v.at.places.Release(1) }

// observe learns from the verdict, and how long it took, whether the registry answers. A registry that has answered to others
// in the meantime does: whoever has some slow charts there must not hide all others.
func (v visit) observe(found verdict.Verdict, took time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.way.proxied {
		v.at.spent += took
	}
	switch {
	case found.Admits() || found.Reason() != verdict.Timeout && found.Reason() != verdict.RegistryUnavailable:
		v.at.answers++
		if v.at.silent < maxSilent {
			v.at.silent = 0
		}
	case v.at.answers == v.answers:
		v.at.silent++
	}
}
