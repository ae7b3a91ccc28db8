package controller

import (
	"context"
	"errors"
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
	"github.com/chartgate/chartgate/pkg/problem"
)

// +kubebuilder:rbac:groups="",namespace=chartgate-system,resources=secrets,verbs=get;list;watch

// KMS reads public keys from key management services.
type KMS interface {
	// PublicKeys returns the keys of a URI as PEM blocks. Its error is a *problem.Error;
	// KindNotFound means that the service knows no such key.
	PublicKeys(ctx context.Context, uri string) (string, error)
}

const (
	// RefreshKeys is by default how soon a rotation or withdrawal in a KMS is noticed.
	RefreshKeys = 10 * time.Minute
	// retries is how often what could not be read is asked for again in that time.
	retries = 10
	// keepKeys bounds how long keys are used that cannot be read any more: long enough to
	// mend a KMS or its permissions, and no withdrawn key counts for longer.
	keepKeys = 24 * time.Hour
	// secretTimeout bounds the read of a Secret, secretReads how many are read at once.
	secretTimeout = 5 * time.Second
	secretReads   = 8
)

// Keys reads the public keys that policies do not spell out: from Secrets in one
// namespace at each load, and from KMS in the background, so that a slow one delays
// nobody. Of what it reads it holds public keys alone.
type Keys struct {
	secrets   client.Reader
	namespace string
	kms       KMS
	refresh   time.Duration

	looking sync.Mutex // one lookup at a time: what was read later is stored later
	mu      sync.Mutex
	known   map[policy.KeySource]*knownKey
	changed []chan event.GenericEvent
	settled bool
}

// NewKeys returns Keys that read a KMS again after refresh. The reader must not be cached.
func NewKeys(secrets client.Reader, namespace string, kms KMS, refresh time.Duration) *Keys {
	return &Keys{secrets: secrets, namespace: namespace, kms: kms, refresh: refresh, known: map[policy.KeySource]*knownKey{}}
}

// knownKey is what is known of a source.
type knownKey struct {
	pem     string    // the last keys that were read, "" if none are to be used
	readAt  time.Time // of pem
	failure error     // of the last read; its text is for people
	again   bool      // the failure may pass by itself
	asked   bool
	stop    func() // ends the reads in the background
	told    string // what became of the last read
}

var errNotRead = errors.New("it has not been read yet")

func (k *knownKey) content() policy.KeyContent {
	switch {
	case k.pem != "":
		return policy.KeyContent{PEM: k.pem}
	case !k.asked:
		return policy.KeyContent{Err: errNotRead}
	default:
		return policy.KeyContent{Err: k.failure}
	}
}

// lookup returns the contents of the sources as far as they are known, and forgets all
// others. It reads Secrets and starts to read KMS, which ends with a call of notify.
func (k *Keys) lookup(ctx context.Context, sources []policy.KeySource) policy.Keys {
	k.looking.Lock()
	defer k.looking.Unlock()
	secrets := k.follow(ctx, sources)
	var group errgroup.Group
	group.SetLimit(secretReads)
	for _, source := range secrets {
		group.Go(func() error {
			text, err := k.readSecret(ctx, source)
			k.store(ctx, source, text, err)
			return nil
		})
	}
	_ = group.Wait() // the functions return nil
	k.mu.Lock()
	defer k.mu.Unlock()
	found := policy.Keys{}
	for _, source := range sources {
		if known, is := k.known[source]; is {
			found[source] = known.content()
		}
	}
	return found
}

// follow makes the sources the known ones, and returns the Secrets among them. From here
// on a change of one of these is noticed, so that none is missed between the read and
// the watch.
func (k *Keys) follow(ctx context.Context, sources []policy.KeySource) []policy.KeySource {
	k.mu.Lock()
	defer k.mu.Unlock()
	for source, known := range k.known {
		if !slices.Contains(sources, source) {
			known.stop()
			delete(k.known, source)
		}
	}
	var secrets []policy.KeySource
	for _, source := range sources {
		if source.KMS == "" && !slices.Contains(secrets, source) {
			secrets = append(secrets, source)
		}
		if _, is := k.known[source]; is {
			continue
		}
		known := &knownKey{stop: func() {}}
		if source.KMS != "" {
			var background context.Context
			background, known.stop = context.WithCancel(context.WithoutCancel(ctx))
			go k.keepReading(background, source)
		}
		k.known[source] = known
	}
	return secrets
}

// keepReading reads from a KMS until nobody wants the key any more.
func (k *Keys) keepReading(ctx context.Context, source policy.KeySource) {
	for {
		text, err := k.kms.PublicKeys(ctx, source.KMS)
		if ctx.Err() != nil {
			return
		}
		if k.store(ctx, source, text, err) {
			k.notify()
		}
		wait := k.refresh
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

// store remembers what a read gave, and reports whether that changes anything. Keys that
// cannot be read now stay in use for a while; those that are gone do not.
func (k *Keys) store(ctx context.Context, source policy.KeySource, text string, err error) bool {
	if err == nil {
		text, err = publicKeys(text)
	}
	failure := toProblem(err)
	k.mu.Lock()
	defer k.mu.Unlock()
	known, is := k.known[source]
	if !is || ctx.Err() != nil {
		return false // nobody wants it any more
	}
	known.took(text, failure)
	told := fmt.Sprint(known.pem, known.failure)
	if told == known.told {
		return false
	}
	known.told = told
	if err != nil {
		log.FromContext(ctx).Error(err, "cannot read a key", "source", source.String())
	}
	return true
}

// took takes over the outcome of a read.
func (k *knownKey) took(text string, failure *problem.Error) {
	k.asked = true
	if failure == nil {
		k.pem, k.readAt, k.failure, k.again = text, time.Now(), nil, false
		return
	}
	k.failure, k.again = errors.New(failure.Detail), !isAnswer(failure.Kind)
	if !k.again || time.Since(k.readAt) >= keepKeys {
		k.pem = ""
	}
}

// isAnswer tells that there is no such key from that nobody could say.
func isAnswer(kind problem.Kind) bool {
	switch kind {
	case problem.KindUnavailable, problem.KindTimeout, problem.KindUnauthorized:
		return false
	default:
		return true
	}
}

// toProblem is where a text for people ends up that nobody wrote for them.
func toProblem(err error) *problem.Error {
	if err == nil {
		return nil
	}
	if known, ok := errors.AsType[*problem.Error](err); ok {
		return known
	}
	return &problem.Error{Kind: problem.KindUnavailable, Detail: "it cannot be read", Err: err}
}

// note says that keys are in use which cannot be read any more; "" if that is not so.
func (k *knownKey) note() string {
	if k.failure == nil || k.pem == "" {
		return ""
	}
	return fmt.Sprintf("%s; the keys that were read at %s are used until %s",
		k.failure, k.readAt.UTC().Format(time.RFC3339), k.readAt.Add(keepKeys).UTC().Format(time.RFC3339))
}

// notes returns what the platform team should know about sources that are still in use.
func (k *Keys) notes(sources []policy.KeySource) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var notes []string
	for _, source := range sources {
		if known, is := k.known[source]; is && known.note() != "" {
			notes = append(notes, fmt.Sprintf("%s: %s", source, known.note()))
		}
	}
	return notes
}

// ready reports whether each KMS has been asked once since the start: a new replica does
// not take over before it knows what the old one knew. After that it stays ready.
func (k *Keys) ready() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, known := range k.known {
		if !known.asked && !k.settled {
			return false
		}
	}
	k.settled = true
	return true
}

// retryAfter is when Secrets are to be read again without an event, zero if they need
// not.
func (k *Keys) retryAfter() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	for source, known := range k.known {
		if source.KMS == "" && known.again {
			return k.refresh / retries
		}
	}
	return 0
}

// changes returns a channel that receives when a load would find other keys.
func (k *Keys) changes() <-chan event.GenericEvent {
	k.mu.Lock()
	defer k.mu.Unlock()
	changed := make(chan event.GenericEvent, 1)
	k.changed = append(k.changed, changed)
	return changed
}

func (k *Keys) notify() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, changed := range k.changed {
		select {
		case changed <- event.GenericEvent{Object: &metav1.PartialObjectMetadata{}}:
		default: // the one in it has not been taken yet, and will do
		}
	}
}
