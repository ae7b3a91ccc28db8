// Package trust holds the trust roots of a cluster: the TrustRoots that the platform team wrote, and the one that is built
// in. It follows TUF repositories: fetched when first needed, refreshed in the background, cached on disk.
package trust

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/signature"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// Options say where trust roots come from. All but CacheDir may be left out.
type Options struct {
	// CacheDir is where TUF metadata are kept. What was seen there is never rolled back.
	CacheDir string
	// Default is the trust root for identities that name none, as long as there is no TrustRoot "default". Nil is that of
	// Sigstore's public-good instance.
	Default *signature.Root
	// RootCAs are trusted for mirrors; nil is the system's.
	RootCAs *x509.CertPool
	// Patience is how long a caller waits for the first update of a TUF repository, which goes on without them.
	Patience time.Duration
	// Changed is called when what Status returns may have changed. It must not block.
	Changed func()
	// Now is the clock by which metadata expire.
	Now func() time.Time
	Log logr.Logger
}

// Item is a TrustRoot with what its configMapRef leads to.
type Item struct {
	Object v1alpha1.TrustRoot
	// Content is the ConfigMap's item, or Err why it cannot be had, in words for people.
	Content string
	Err     error
}

// Roots are the trust roots. Before the first Set there is none. They are safe for concurrent use.
type Roots struct {
	options Options
	client  *http.Client
	pace    pace
	builtin *entry
	work    sync.WaitGroup // in the background
	setting sync.Mutex
	current atomic.Pointer[map[string]*entry]
}

// New returns Roots. Close ends what they do in the background.
func New(o Options) *Roots {
	o.Patience = cmp.Or(o.Patience, defaultPatience)
	if o.Changed == nil {
		o.Changed = func() {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &Roots{options: o, client: newClient(o.RootCAs), pace: pace{refresh: refreshEvery, retry: retryEvery}}
	if o.Default != nil {
		r.builtin = &entry{root: *o.Default}
	} else {
		mirror, root := signature.PublicGood()
		r.builtin = r.builtinFrom(mirror, root)
	}
	return r
}

// builtinFrom is what follows a repository that no TrustRoot names. It is not started before somebody needs it.
func (r *Roots) builtinFrom(mirror string, root []byte) *entry {
	where := repository{mirror: mirror, root: root, target: defaultTarget}
	return &entry{source: r.newSource("", "Sigstore's public-good trust root", where)}
}

// Set replaces the TrustRoots. Those from TUF repositories are fetched at once, so that their status tells; one that is as
// before keeps what it has.
func (r *Roots) Set(items []Item) {
	r.setting.Lock()
	defer r.setting.Unlock()
	before := map[string]*entry{}
	if known := r.current.Load(); known != nil {
		before = *known
	}
	next := map[string]*entry{}
	for _, item := range items {
		name := item.Object.Name
		if _, twice := next[name]; twice {
			next[name] = &entry{invalid: errors.New("there are two TrustRoots of this name")}
			continue
		}
		next[name] = r.newEntry(item, before[name])
	}
	r.current.Store(&next)
	for name, old := range before {
		if old.source != nil && (next[name] == nil || next[name].source != old.source) {
			old.source.stop()
		}
	}
	for _, e := range next {
		if e.source != nil {
			e.source.start()
		}
	}
	r.options.Changed()
}

// Root implements signature.Roots.
func (r *Roots) Root(ctx context.Context, name string) (signature.Root, error) {
	known := r.current.Load()
	if known == nil {
		return signature.Root{}, unavailable("the TrustRoots have not been loaded yet", nil)
	}
	found := (*known)[name]
	if found == nil && name == evidence.DefaultTrustRoot {
		found = r.builtin
	}
	switch {
	case found == nil:
		return signature.Root{}, unavailable(fmt.Sprintf("the TrustRoot %s does not exist", name), nil)
	case found.invalid != nil:
		return signature.Root{}, unavailable(fmt.Sprintf("the TrustRoot %s cannot be used: %v", name, found.invalid), nil)
	case found.source != nil:
		return found.source.need(ctx)
	default:
		return found.root, nil
	}
}

// Close ends all background work, and waits for its end. Nothing is fetched any more.
func (r *Roots) Close() {
	r.Set(nil)
	if r.builtin.source != nil {
		r.builtin.source.stop()
	}
	r.work.Wait()
}

func unavailable(detail string, err error) *verdict.Rejection {
	return &verdict.Rejection{Reason: verdict.TrustRootUnavailable, Detail: detail, Err: err}
}

var _ signature.Roots = (*Roots)(nil)
