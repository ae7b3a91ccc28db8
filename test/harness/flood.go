package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Flood creates HelmReleases of a signed and of an unsigned chart, in turn, by a few clients, as long
// as the test lasts, and judges each answer: no unsigned chart may be admitted, and no signed one
// denied.
type Flood struct {
	Client client.Client
	// Signed and Unsigned are HelmReleases, which are created under names of their own.
	Signed, Unsigned *unstructured.Unstructured
	Clients          int
	// Pause is between two releases of each chart, so that others get the CPU, too.
	Pause time.Duration

	mu  sync.Mutex
	sum Tally
}

// Tally counts answers.
type Tally struct {
	Admitted, Denied int // as they should be
	// Lost are the API server's messages that it could not call the webhook.
	Lost []string
	// Late counts the writes for which the API server itself, or its etcd, had no time.
	Late int
}

func (s Tally) String() string {
	return fmt.Sprintf("%d signed admitted, %d unsigned denied, %d times the webhook could not be called, %d times the API server itself was late",
		s.Admitted, s.Denied, len(s.Lost), s.Late)
}

// since is what came after an earlier tally.
func (s Tally) since(before Tally) Tally {
	return Tally{
		Admitted: s.Admitted - before.Admitted, Denied: s.Denied - before.Denied,
		Lost: s.Lost[len(before.Lost):], Late: s.Late - before.Late,
	}
}

// writePatience is more than the API server takes for any answer of a webhook.
const writePatience = 40 * time.Second

// Start starts it; the end of the test ends it.
func (f *Flood) Start(t testing.TB) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for range f.Clients {
		group.Go(func() {
			for ctx.Err() == nil {
				f.create(ctx, t, f.Signed)
				f.create(ctx, t, f.Unsigned)
				time.Sleep(f.Pause)
			}
		})
	}
	t.Cleanup(func() {
		stop()
		group.Wait()
	})
}

// create creates one release and judges the API server's answer.
func (f *Flood) create(ctx context.Context, t testing.TB, template *unstructured.Unstructured) {
	release := template.DeepCopy()
	release.SetName("")
	release.SetGenerateName(template.GetName() + "-")
	limited, cancel := context.WithTimeout(ctx, writePatience)
	defer cancel()
	err := f.Client.Create(limited, release)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case ctx.Err() != nil: // over
	case err == nil && template == f.Signed:
		f.sum.Admitted++
	case err == nil:
		t.Errorf("%s was admitted", release.GetName())
	case strings.Contains(err.Error(), "failed calling webhook"):
		f.sum.Lost = append(f.sum.Lost, err.Error())
	case template == f.Unsigned && strings.Contains(err.Error(), "denied (SignatureMissing)"):
		f.sum.Denied++
	case late(err):
		f.sum.Late++
	default:
		t.Errorf("%s: %v", template.GetName(), err)
	}
}

// late reports whether the API server had no time for a write.
func late(err error) bool {
	return apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) || apierrors.IsTooManyRequests(err) ||
		errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "etcdserver: ")
}

// Sofar is the tally since the start.
func (f *Flood) Sofar() Tally {
	f.mu.Lock()
	defer f.mu.Unlock()
	sum := f.sum
	sum.Lost = slices.Clone(sum.Lost)
	return sum
}

// enough is a number of writes of each kind after which it is clear that they go on.
const enough = 50

// GoesOn waits until enough of both have been decided from now on.
func (f *Flood) GoesOn(t testing.TB) {
	t.Helper()
	before := f.Sofar()
	Eventually(t, func() string {
		if since := f.Sofar().since(before); since.Admitted < enough || since.Denied < enough {
			return "writes do not go on: " + since.String()
		}
		return ""
	})
}

// Fails waits until the webhook could not be called for a while.
func (f *Flood) Fails(t testing.TB) {
	t.Helper()
	before := f.Sofar()
	Eventually(t, func() string {
		if since := f.Sofar().since(before); len(since.Lost) < 20 {
			return "writes do not fail: " + since.String()
		}
		return ""
	})
}

// During returns the answers to writes meanwhile.
func (f *Flood) During(happens func()) Tally {
	before := f.Sofar()
	happens()
	return f.Sofar().since(before)
}

// CheckStored checks that releases of the signed chart are stored, and none of the unsigned one.
func (f *Flood) CheckStored(t testing.TB) {
	t.Helper()
	var list unstructured.UnstructuredList
	list.SetGroupVersionKind(f.Signed.GroupVersionKind().GroupVersion().WithKind("HelmReleaseList"))
	if err := f.Client.List(context.Background(), &list, client.InNamespace(f.Signed.GetNamespace())); err != nil {
		t.Fatal(err)
	}
	for _, release := range list.Items {
		if strings.HasPrefix(release.GetName(), f.Unsigned.GetName()+"-") {
			t.Errorf("HelmRelease %s is in the cluster", release.GetName())
		}
	}
	if len(list.Items) == 0 {
		t.Error("there is no HelmRelease at all")
	}
}
