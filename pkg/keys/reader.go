// Package keys reads the public keys that policies refer to instead of holding them: those in
// Secrets and in key management services.
//
// +kubebuilder:rbac:groups="",namespace=chartgate-system,resources=secrets,verbs=get;list;watch
package keys

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/chartgate/chartgate/pkg/policy"
)

// KMS reads public keys from key management services.
type KMS interface {
	// PublicKeys returns the keys of a URI as PEM blocks. Its error is a *problem.Error;
	// problem.KindNotFound means that the service knows no such key.
	PublicKeys(ctx context.Context, uri string) (string, error)
}

const (
	// DefaultRefresh is by default how soon a rotation or withdrawal in a KMS is noticed.
	DefaultRefresh = 10 * time.Minute
	// retries is how often what could not be read is asked for again in that time.
	retries = 10
	// secretTimeout bounds the read of a Secret, secretReads how many are read at once.
	secretTimeout = 5 * time.Second
	secretReads   = 8
)

// Config says where a Reader reads.
type Config struct {
	// Secrets reads Secrets, without a cache, in Namespace alone.
	Secrets   client.Reader
	Namespace string
	KMS       KMS
	// Refresh is how long after a read a KMS is read again.
	Refresh time.Duration
}

// Reader reads keys: from Secrets at each load of the policies, and from KMS in the background, so
// that a slow KMS delays no load. Of what it reads it keeps public keys alone.
type Reader struct {
	config Config

	looking sync.Mutex // one lookup at a time: what was read later is stored later
	mu      sync.Mutex
	known   map[policy.KeySource]*knownKey
	changed []chan event.GenericEvent
	settled bool
}

// NewReader returns a Reader that knows no keys yet.
func NewReader(config Config) *Reader {
	return &Reader{config: config, known: map[policy.KeySource]*knownKey{}}
}

// Lookup returns the contents of the sources as far as they are known, and forgets all others. It
// reads the Secrets now; the first read of a KMS ends later, and is announced by Changes.
func (r *Reader) Lookup(ctx context.Context, sources []policy.KeySource) policy.Keys {
	r.looking.Lock()
	defer r.looking.Unlock()
	secrets := r.follow(ctx, sources)
	var group errgroup.Group
	group.SetLimit(secretReads)
	for _, source := range secrets {
		group.Go(func() error {
			text, err := r.readSecret(ctx, source)
			r.store(ctx, source, text, err)
			return nil
		})
	}
	_ = group.Wait() // the functions return nil
	r.mu.Lock()
	defer r.mu.Unlock()
	found := policy.Keys{}
	for _, source := range sources {
		if known, is := r.known[source]; is {
			found[source] = known.content()
		}
	}
	return found
}

// follow makes the sources the known ones, and returns the Secrets among them. From here on a
// change of one of these is noticed, so that no change between the read and the watch is missed.
func (r *Reader) follow(ctx context.Context, sources []policy.KeySource) []policy.KeySource {
	r.mu.Lock()
	defer r.mu.Unlock()
	for source, known := range r.known {
		if !slices.Contains(sources, source) {
			known.stop()
			delete(r.known, source)
		}
	}
	var secrets []policy.KeySource
	for _, source := range sources {
		if source.KMS == "" && !slices.Contains(secrets, source) {
			secrets = append(secrets, source)
		}
		if _, is := r.known[source]; is {
			continue
		}
		known := &knownKey{stop: func() {}}
		if source.KMS != "" {
			var background context.Context
			background, known.stop = context.WithCancel(context.WithoutCancel(ctx))
			go r.keepReading(background, source)
		}
		r.known[source] = known
	}
	return secrets
}

// keepReading reads from a KMS until ctx is done: no policy names the key any more.
func (r *Reader) keepReading(ctx context.Context, source policy.KeySource) {
	for {
		text, err := r.config.KMS.PublicKeys(ctx, source.KMS)
		if ctx.Err() != nil {
			return
		}
		if r.store(ctx, source, text, err) {
			r.notify()
		}
		wait := r.config.Refresh
		if err != nil && !isAnswer(toProblem(err).Kind) {
			wait /= retries
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// store remembers the outcome of a read, and reports whether it changes anything. Keys that cannot
// be read now stay in use for keepFor; keys that are gone do not.
func (r *Reader) store(ctx context.Context, source policy.KeySource, text string, err error) bool {
	if err == nil {
		text, err = publicKeys(text)
	}
	failure := toProblem(err)
	r.mu.Lock()
	defer r.mu.Unlock()
	known, is := r.known[source]
	if !is || ctx.Err() != nil {
		return false // no policy names it any more
	}
	known.update(text, failure)
	seen := fmt.Sprint(known.pem, known.failure)
	if seen == known.seen {
		return false
	}
	known.seen = seen
	if err != nil {
		log.FromContext(ctx).Error(err, "cannot read a key", "source", source.String())
	}
	return true
}

// Notes returns what the platform team should know about sources that are still in use.
func (r *Reader) Notes(sources []policy.KeySource) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var notes []string
	for _, source := range sources {
		if known, is := r.known[source]; is && known.note() != "" {
			notes = append(notes, fmt.Sprintf("%s: %s", source, known.note()))
		}
	}
	return notes
}

// Ready reports whether each KMS has been asked once since the start: a new replica does not take
// over before it knows what the old one knew. After that it stays ready.
func (r *Reader) Ready() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, known := range r.known {
		if !known.asked && !r.settled {
			return false
		}
	}
	r.settled = true
	return true
}

// RetryAfter returns how soon Secrets are to be read again without an event; zero if they are not.
func (r *Reader) RetryAfter() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	for source, known := range r.known {
		if source.KMS == "" && known.passing {
			return r.config.Refresh / retries
		}
	}
	return 0
}

// Changes returns a channel that receives when a load would find other keys.
func (r *Reader) Changes() <-chan event.GenericEvent {
	r.mu.Lock()
	defer r.mu.Unlock()
	changed := make(chan event.GenericEvent, 1)
	r.changed = append(r.changed, changed)
	return changed
}

func (r *Reader) notify() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, changed := range r.changed {
		select {
		case changed <- event.GenericEvent{Object: &metav1.PartialObjectMetadata{}}:
		default: // an event that has not been taken yet is in it, and is enough
		}
	}
}
