// Package trust holds the trust roots of a cluster: the TrustRoots that the platform team wrote,
// and the built-in one. Those that follow a TUF repository are fetched when they are first needed,
// refreshed in the background and cached on disk.
package trust

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/fielderr"
	"github.com/chartgate/chartgate/pkg/signature"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// Options say where trust roots come from. All but CacheDir are optional.
type Options struct {
	// CacheDir is where TUF metadata are kept. Metadata that are older than those in it are
	// refused.
	CacheDir string
	// Default is the trust root for identities that do not name one, as long as no TrustRoot
	// "default" exists. Nil is that of Sigstore's public-good instance.
	Default *signature.Root
	// RootCAs are the CAs to trust for mirrors; nil is the system's.
	RootCAs *x509.CertPool
	// Patience is how long a caller waits for the first update of a TUF repository. The update goes
	// on after that.
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
	// Content is the item of the ConfigMap. Err says why it could not be read, in a text for users.
	Content string
	Err     error
}

// Roots are the trust roots. Before the first Set, no trust root exists. They are safe for
// concurrent use.
type Roots struct {
	options Options
	client  *http.Client
	pace    pace
	builtin *trustRoot
	work    sync.WaitGroup // in the background
	setting sync.Mutex
	current atomic.Pointer[map[string]*trustRoot]
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
		r.builtin = &trustRoot{fixed: *o.Default}
	} else {
		mirror, root := signature.PublicGood()
		r.builtin = r.builtinFrom(mirror, root)
	}
	return r
}

// builtinFrom returns the built-in trust root. Its repository is fetched when it is first needed.
func (r *Roots) builtinFrom(mirror string, root []byte) *trustRoot {
	repository := repository{mirror: mirror, root: root, target: defaultTarget}
	return &trustRoot{follower: r.newFollower("", "Sigstore's public-good trust root", repository)}
}

// trustRoot is a fixed trust root, one that follows a TUF repository, or one that cannot be used.
type trustRoot struct {
	generation int64
	fixed      signature.Root
	follower   *follower
	// unusable says why the trust root cannot be used, in a text for users.
	unusable error
	// external is set where unusable is about a ConfigMap and not about the TrustRoot itself.
	external bool
}

// newTrustRoot makes a trust root. If it follows the same repository as before, its follower goes
// on.
func (r *Roots) newTrustRoot(item Item, before *trustRoot) *trustRoot {
	obj := item.Object
	t := &trustRoot{generation: obj.Generation}
	if errs := Check(obj); len(errs) > 0 {
		t.unusable = fielderr.Join(errs)
		return t
	}
	switch {
	case obj.Spec.TUF != nil:
		repository := repositoryOf(*obj.Spec.TUF)
		if before != nil && before.follower != nil && before.follower.repository.equal(repository) {
			t.follower = before.follower
			break
		}
		t.follower = r.newFollower(obj.Name, "the TrustRoot "+obj.Name, repository)
	case obj.Spec.ConfigMapRef == nil:
		t.fixed, t.unusable = parse(obj.Spec.TrustedRoot)
	case item.Err != nil:
		t.unusable, t.external = item.Err, true
	default:
		ref := obj.Spec.ConfigMapRef
		if t.fixed, t.unusable = parse(item.Content); t.unusable != nil {
			t.unusable, t.external = fmt.Errorf("ConfigMap %s, key %s: %w", ref.Name, itemKey(*ref), t.unusable), true
		}
	}
	return t
}

// Set replaces the TrustRoots. Those from TUF repositories are fetched at once, so that their
// status is known. A TrustRoot that has not changed is not fetched again.
func (r *Roots) Set(items []Item) {
	r.setting.Lock()
	defer r.setting.Unlock()
	before := map[string]*trustRoot{}
	if known := r.current.Load(); known != nil {
		before = *known
	}
	next := map[string]*trustRoot{}
	for _, item := range items {
		name := item.Object.Name
		if _, twice := next[name]; twice {
			next[name] = &trustRoot{unusable: errors.New("there are two TrustRoots of this name")}
			continue
		}
		next[name] = r.newTrustRoot(item, before[name])
	}
	r.current.Store(&next)
	for name, old := range before {
		if old.follower != nil && (next[name] == nil || next[name].follower != old.follower) {
			old.follower.stop()
		}
	}
	for _, t := range next {
		if t.follower != nil {
			t.follower.start()
		}
	}
	r.options.Changed()
}

// State identifies what the trust roots hold now, without a request; "" before the first Set.
func (r *Roots) State() string {
	known := r.current.Load()
	if known == nil {
		return ""
	}
	builtin, _ := r.builtin.status()
	held := []string{"built in: " + builtin.Digest}
	for name, t := range *known {
		status, _ := t.status()
		held = append(held, fmt.Sprintf("%s: %s %v", name, status.Digest, t.unusable))
	}
	slices.Sort(held)
	return strings.Join(held, "\n")
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
		return signature.Root{}, mistaken(fmt.Sprintf("the TrustRoot %s does not exist", name))
	case found.unusable != nil:
		return signature.Root{}, mistaken(fmt.Sprintf("the TrustRoot %s cannot be used: %v", name, found.unusable))
	case found.follower != nil:
		return found.follower.root(ctx)
	default:
		return found.fixed, nil
	}
}

// Close ends all background work and waits for its end. Afterwards nothing is fetched.
func (r *Roots) Close() {
	r.Set(nil)
	if r.builtin.follower != nil {
		r.builtin.follower.stop()
	}
	r.work.Wait()
}

func unavailable(detail string, err error) *verdict.Rejection {
	return &verdict.Rejection{Reason: verdict.TrustRootUnavailable, Detail: detail, Err: err}
}

// mistaken is unavailable until a person changes it.
func mistaken(detail string) *verdict.Rejection {
	rejection := unavailable(detail, nil)
	rejection.Lasting = true
	return rejection
}

var _ signature.Roots = (*Roots)(nil)
