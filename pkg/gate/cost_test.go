package gate_test

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/signature"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	"github.com/chartgate/chartgate/test/fixtures/charts"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
)

// The registry cost of a decision is a design number: at most 4 requests cold, 1 warm by tag, 0
// warm by digest. The first chart with a bundle in a folder costs one more, for the tag of legacy
// signatures: the request for it is sent at the same time as that for the referrers.
const (
	coldRequests         = 4
	speculativeRequests  = 1
	warmByTagRequests    = 1
	warmByDigestRequests = 0
)

// delay is the registry's in tests that count round trips.
const delay = 50 * time.Millisecond

// world is a real registry over HTTP with charts signed by an in-memory Sigstore.
type world struct {
	registry *registrytest.Registry
	trust    *sigstore.Sigstore
	client   *registry.Client
	verifier *signature.Verifier
	distant  bool         // the registry answers after the delay
	connects atomic.Int64 // how often the consumer's credentials were asked for
}

func newWorld(tb testing.TB, options registrytest.Options) *world {
	tb.Helper()
	return newWorldThrough(tb, options, func(*registrytest.Registry) http.RoundTripper { return nil })
}

// newDistantWorld is a world whose registry answers after the delay.
func newDistantWorld(tb testing.TB, options registrytest.Options) *world {
	tb.Helper()
	w := newWorldThrough(tb, options, func(r *registrytest.Registry) http.RoundTripper { return r.Transport(delay) })
	w.distant = true
	return w
}

func newWorldThrough(tb testing.TB, options registrytest.Options, transport func(*registrytest.Registry) http.RoundTripper) *world {
	tb.Helper()
	trust, err := sigstore.New(time.Now)
	if err != nil {
		tb.Fatal(err)
	}
	root, err := trust.TrustedRoot()
	if err != nil {
		tb.Fatal(err)
	}
	roots, err := signature.Fixed(root)
	if err != nil {
		tb.Fatal(err)
	}
	served := registrytest.New(options)
	tb.Cleanup(served.Close)
	w := &world{registry: served, trust: trust, verifier: signature.New(roots)}
	w.client = registry.New(registry.Options{
		PlainHTTP: []string{served.Host()},
		Transport: transport(served),
		Connect: func(context.Context, sourceauth.Auth, chart.Location) (registry.Connection, error) {
			w.connects.Add(1)
			return registry.Connection{}, nil
		},
	})
	return w
}

// pushUnsigned makes a chart, and returns its repository and digest.
func (w *world) pushUnsigned(tb testing.TB, name string) (repository, digest string) {
	tb.Helper()
	archive, err := charts.Archive(name, "1.0.0")
	if err != nil {
		tb.Fatal(err)
	}
	repository = "acme/" + name
	if digest, _, err = w.registry.PushChart(repository, "1.0.0", archive); err != nil {
		tb.Fatal(err)
	}
	return repository, digest
}

// push makes a chart, signed in the given format, and returns its digest.
func (w *world) push(tb testing.TB, name string, format attachment.Format) string {
	tb.Helper()
	repository, digest := w.pushUnsigned(tb, name)
	by := sigstore.Identity{Issuer: issuer, Subject: subject}
	if format == attachment.Legacy {
		payload, annotations, err := w.trust.Legacy(by, w.registry.Host()+"/"+repository, digest)
		if err == nil {
			err = w.registry.AttachLegacy(repository, digest, payload, annotations)
		}
		if err != nil {
			tb.Fatal(err)
		}
		return digest
	}
	bundle, err := w.trust.Bundle(by, digest, sigstore.SignPredicateType, nil)
	if err == nil {
		_, err = w.registry.AttachBundle(repository, digest, bundle, nil)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return digest
}

func (w *world) gate(tb testing.TB) *gate.Gate {
	in := requiring("acme", subject, func(p *v1alpha1.ChartPolicy) {
		p.Spec.Match.Charts = []string{"oci://" + w.registry.Host() + "/acme/**"}
	})
	return gate.New(steps{current: always(compile(tb, in))}, w.client, w.verifier, time.Now)
}

func (w *world) use(tb testing.TB, rest string, changes ...func(*gate.Chart)) gate.Question {
	return use(tb, "oci://"+w.registry.Host()+"/acme/"+rest, changes...)
}

// decide admits and returns the registry requests that it took.
func (w *world) decide(tb testing.TB, g *gate.Gate, u gate.Question) int {
	tb.Helper()
	w.registry.Reset()
	if v := g.Decide(tb.Context(), u); v.String() != "Verified" {
		tb.Fatal(v.Message())
	}
	return len(w.registry.Requests())
}

func TestRegistryCost(t *testing.T) {
	for _, c := range []struct {
		sentence string
		options  registrytest.Options
		format   attachment.Format
	}{
		{"a bundle", registrytest.Options{}, attachment.Bundle},
		{"a legacy signature", registrytest.Options{}, attachment.Legacy},
		{"a legacy signature where there is no referrers API", registrytest.Options{NoReferrers: true}, attachment.Legacy},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			w := newWorld(t, c.options)
			w.push(t, "first", c.format)
			digest := w.push(t, "podinfo", c.format)
			g := w.gate(t)
			w.decide(t, g, w.use(t, "first:1.0.0")) // the client learns about the registry
			for _, step := range []struct {
				name string
				rest string
				want int
			}{
				{"cold", "podinfo:1.0.0", coldRequests},
				{"warm by tag", "podinfo:1.0.0", warmByTagRequests},
				{"warm by digest", "podinfo@" + digest, warmByDigestRequests},
			} {
				if got := w.decide(t, g, w.use(t, step.rest)); got > step.want {
					t.Errorf("%s: %d requests, want at most %d: %v", step.name, got, step.want, w.registry.Requests())
				}
			}
			if diff := cmp.Diff(gate.CacheStats{Hits: 2, Misses: 2, Entries: 2}, g.CacheStats()); diff != "" {
				t.Errorf("cache (-want +got):\n%s", diff)
			}
		})
	}
}

// What does not depend on each other is requested at the same time: the manifest, the referrers and
// the tag of legacy signatures.
func TestRoundTrips(t *testing.T) {
	const known, unknown = true, false // whether the client has admitted a chart of the folder before
	for _, c := range []struct {
		sentence        string
		options         registrytest.Options
		format          attachment.Format
		byDigest, byTag int // round trips
		requests        int
		folder          bool
	}{
		{"a bundle", registrytest.Options{}, attachment.Bundle, 3, 4, coldRequests, known},
		{"a legacy signature", registrytest.Options{}, attachment.Legacy, 2, 3, coldRequests, known},
		{"a bundle where there is no referrers API", registrytest.Options{NoReferrers: true}, attachment.Bundle, 3, 4, coldRequests, known},
		{"a legacy signature where there is no referrers API", registrytest.Options{NoReferrers: true}, attachment.Legacy, 2, 3, coldRequests, known},
		{"the first bundle of a folder", registrytest.Options{}, attachment.Bundle, 3, 4, coldRequests + speculativeRequests, unknown},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			w := newDistantWorld(t, c.options)
			first, digest := w.push(t, "first", c.format), w.push(t, "podinfo", c.format)
			for rest, want := range map[string]int{"podinfo@" + digest: c.byDigest, "podinfo:1.0.0": c.byTag} {
				g := w.gate(t)
				if c.folder == known {
					w.decide(t, g, w.use(t, "first@"+first))
				}
				synctest.Test(t, func(t *testing.T) {
					start := time.Now()
					requests := w.decide(t, g, w.use(t, rest))
					if got := int(time.Since(start) / delay); got != want || requests > c.requests {
						t.Errorf("%s: %d round trips, want %d; %d requests, want at most %d: %v", rest, got, want, requests, c.requests, w.registry.Requests())
					}
				})
			}
		})
	}
}

// Each question about the consumer's credentials is a read of its Secrets from the API
// server.
func TestCostOfTheConsumersCredentials(t *testing.T) {
	w := newWorld(t, registrytest.Options{})
	digest := w.push(t, "podinfo", attachment.Bundle)
	g := w.gate(t)
	for _, step := range []struct {
		name, rest string
		want       int64
	}{
		{"cold", "podinfo:1.0.0", 2},
		{"warm by tag", "podinfo:1.0.0", 1},
		{"warm by digest", "podinfo@" + digest, 0},
	} {
		u := w.use(t, step.rest, reachedBy(sourceauth.Auth{Consumer: sourceauth.Flux, Namespace: "apps", Secret: "login"}))
		w.connects.Store(0)
		w.decide(t, g, u)
		if got := w.connects.Load(); got != step.want {
			t.Errorf("%s: asked %d times, want %d", step.name, got, step.want)
		}
	}
}

// What a denial costs a registry: it looks further than an admission, and no further than the
// limits of pkg/registry.
const (
	deniedRequests   = 4                  // the manifest, the referrers API, .sig, the fallback tag
	unsignedRequests = deniedRequests + 1 // and .att, where nothing else was found: was it attested?
	crowdRequests    = deniedRequests + 2*500
)

// deny denies and returns the registry requests that it took.
func (w *world) deny(tb testing.TB, g *gate.Gate, u gate.Question) int {
	tb.Helper()
	w.registry.Reset()
	if v := g.Decide(tb.Context(), u); v.Admits() {
		tb.Fatal(v.Message())
	}
	return len(w.registry.Requests())
}

// unsigned pushes a chart, with a crowd of strangers' signatures beside it.
func (w *world) unsigned(tb testing.TB, name string, strangers int) {
	tb.Helper()
	repository, digest := w.pushUnsigned(tb, name)
	for i := range strangers {
		if _, err := w.registry.AttachBundle(repository, digest, fmt.Appendf(nil, "stranger %d", i), nil); err != nil {
			tb.Fatal(err)
		}
	}
}

func TestRegistryCostOfDenials(t *testing.T) {
	for _, c := range []struct {
		sentence  string
		options   registrytest.Options
		strangers int
		want      int
	}{
		{"a chart without a signature", registrytest.Options{}, 0, unsignedRequests},
		{"the same where there is no referrers API", registrytest.Options{NoReferrers: true}, 0, unsignedRequests},
		{"a chart with one stranger's signature", registrytest.Options{}, 1, deniedRequests + 2},
		{"a chart in a crowd", registrytest.Options{}, 600, crowdRequests},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			w := newWorld(t, c.options)
			w.unsigned(t, "podinfo", c.strangers)
			g, u := w.gate(t), w.use(t, "podinfo:1.0.0")
			for range 2 { // a denial is not remembered
				if got := w.deny(t, g, u); got != c.want {
					t.Errorf("%d requests, want %d", got, c.want)
				}
			}
		})
	}
}

func BenchmarkDeny(b *testing.B) {
	for name, strangers := range map[string]int{"unsigned": 0, "crowd-of-500": 500} {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b, registrytest.Options{})
			w.unsigned(b, "podinfo", strangers)
			g, u, requests := w.gate(b), w.use(b, "podinfo:1.0.0"), 0
			b.ReportAllocs()
			for b.Loop() {
				requests += w.deny(b, g, u)
			}
			b.ReportMetric(float64(requests)/float64(b.N), "requests/op")
		})
	}
}

// BenchmarkVerify measures what a verification costs chartgate, and BenchmarkDistantVerify how long
// it takes if the registry answers after 50 ms.
func BenchmarkVerify(b *testing.B) { benchmarkVerify(b, newWorld) }

func BenchmarkDistantVerify(b *testing.B) { benchmarkVerify(b, newDistantWorld) }

func benchmarkVerify(b *testing.B, newWorld func(testing.TB, registrytest.Options) *world) {
	for _, format := range []attachment.Format{attachment.Bundle, attachment.Legacy} {
		w := newWorld(b, registrytest.Options{})
		digest := w.push(b, "podinfo", format)
		for _, c := range []struct {
			name string
			rest string
			cold bool
		}{
			{"cold-by-tag", "podinfo:1.0.0", true},
			{"cold-by-digest", "podinfo@" + digest, true},
			{"warm-by-tag", "podinfo:1.0.0", false},
			{"warm-by-digest", "podinfo@" + digest, false},
		} {
			b.Run(fmt.Sprintf("%s/%s", format, c.name), func(b *testing.B) {
				g, u, requests, roundTrips := w.gate(b), w.use(b, c.rest), 0, 0
				w.decide(b, g, u)
				b.ReportAllocs()
				for b.Loop() {
					if c.cold {
						g = w.gate(b)
					}
					start := time.Now()
					requests += w.decide(b, g, u)
					roundTrips += int(time.Since(start) / delay)
				}
				b.ReportMetric(float64(requests)/float64(b.N), "requests/op")
				if w.distant {
					b.ReportMetric(float64(roundTrips)/float64(b.N), "round-trips/op")
				}
			})
		}
	}
}
