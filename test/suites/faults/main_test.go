// Package faults_test injects every fault into everything that a decision depends on, and tests the
// real webhook over TLS: no fault admits, each has its reason, the answer comes within the API
// server's timeout, no goroutine is left, and the next write after the fault is admitted.
//
// The registry and the API server run in process, but the product's own clients connect to them, so
// that the faults are those of a network.
package faults_test

import (
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/signature"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/webhook"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
	"github.com/chartgate/chartgate/test/harness"
)

// TestMain discards the libraries' logs of faults, and runs many tests in parallel, because they
// mostly wait for deadlines.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	log.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

// world is a webhook and all that it depends on, on 127.0.0.1.
type world struct {
	registry *registrytest.Registry
	api      *apiServer
	hook     *httptest.Server
	from     string // the address of clients; "" is any
	// arrived counts the admissions that the webhook has started, answered those that it has ended.
	arrived, answered counter
}

// setting is what a test can change.
type setting struct {
	registry registrytest.Options
	// policies makes the policies; by default those of fixedPolicies.
	policies func(*testing.T, *world) gate.Policies
	// trustedRoot is the content of trusted_root.json; nil: no trust root.
	trustedRoot []byte
	clock       func() time.Time
	options     source.Options
	// others are more hosts that the client may connect to over plain HTTP.
	others []string
}

// newWorld is a world in which everything works.
func newWorld(t *testing.T, changes ...func(*setting)) *world {
	t.Helper()
	s := setting{policies: fixedPolicies, trustedRoot: theSigstore(t).root, clock: time.Now}
	s.options.DenyMissingSource = true
	for _, change := range changes {
		change(&s)
	}
	w := &world{registry: registrytest.New(s.registry), api: newAPIServer()}
	t.Cleanup(w.registry.Close)
	t.Cleanup(w.api.Close)
	w.hook = httptest.NewUnstartedServer(w.handler(t, s))
	w.hook.EnableHTTP2 = true // as the API server speaks to webhooks
	w.hook.StartTLS()
	t.Cleanup(w.hook.Close)
	return w
}

// handler is the webhook as "chartgate serve" wires it.
func (w *world) handler(t *testing.T, s setting) http.Handler {
	t.Helper()
	roots, err := signature.Fixed(s.trustedRoot)
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := webhook.NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	s.options.PlainHTTP = append([]string{w.registry.Host(), closedPort(t)}, s.others...)
	client := registry.New(registry.Options{PlainHTTP: s.options.PlainHTTP})
	decide := gate.New(s.policies(t, w), client, signature.New(roots), s.clock)
	extractor := source.NewExtractor(w.api.objects(t), s.options)
	charts := webhook.NewCharts(webhook.ChartsOptions{Extractor: extractor, Gate: decide, MaxConcurrent: 32, Metrics: metrics})
	return w.counting(webhook.WithDeadline(webhook.NewBodies(logr.Discard()).Charts(charts)))
}

func (w *world) counting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		w.arrived.add()
		defer w.answered.add()
		next.ServeHTTP(rw, req)
	})
}

// heal ends all faults.
func (w *world) heal() {
	w.registry.Heal()
	w.api.Heal()
}

// local fills in the world's names.
func (w *world) local(text string) string {
	return strings.NewReplacer("HOST", w.registry.Host()).Replace(text)
}

// theSigstore is one for all tests: it makes keys, which takes a while.
func theSigstore(t *testing.T) *trust {
	t.Helper()
	made, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return made
}

type trust struct {
	*sigstore.Sigstore
	root []byte
}

var shared = sync.OnceValues(newTrust)

func newTrust() (*trust, error) {
	made, err := sigstore.New(time.Now)
	if err != nil {
		return nil, err
	}
	root, err := made.TrustedRoot()
	return &trust{Sigstore: made, root: root}, err
}

// counter counts, and lets tests wait for a count.
type counter struct{ n atomic.Int64 }

func (c *counter) add() { c.n.Add(1) }

func (c *counter) value() int { return int(c.n.Load()) }

// until waits for something that must happen.
func until(t *testing.T, what string, happened func() bool) {
	t.Helper()
	harness.Eventually(t, func() string {
		if happened() {
			return ""
		}
		return "not so: " + what
	})
}

// acme is the only signer, and the one that policies require.
func acme() sigstore.Identity {
	return sigstore.Identity{Issuer: "https://issuer.example", Subject: "release@acme.example"}
}

// policies are the default ones: acme signs the charts below /acme and, with any version, those
// below /floating.
func (w *world) policies() policy.Input {
	return policy.Input{
		Identities: []v1alpha1.TrustedIdentity{{
			ObjectMeta: metav1.ObjectMeta{Name: "acme-release"},
			Spec:       v1alpha1.TrustedIdentitySpec{Keyless: &v1alpha1.Keyless{Issuer: acme().Issuer, Subject: acme().Subject}},
		}},
		Policies: []v1alpha1.ChartPolicy{
			w.policy("acme", "oci://HOST/acme/**", v1alpha1.PinningVersion),
			w.policy("floating", "oci://HOST/floating/**", v1alpha1.PinningFloating),
		},
	}
}

func (w *world) policy(name, charts string, pinning v1alpha1.Pinning) v1alpha1.ChartPolicy {
	return v1alpha1.ChartPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.ChartPolicySpec{
			Match:   v1alpha1.Match{Charts: []string{w.local(charts)}},
			Require: []v1alpha1.Requirement{{AnyOf: []string{"acme-release"}}},
			Pinning: pinning,
		},
	}
}

func fixedPolicies(t *testing.T, w *world) gate.Policies {
	t.Helper()
	return harness.Compile(t, w.policies())
}

// verifyNoLeak fails the test if goroutines are left. The registry client's caches have one each,
// which lives as long as the process: https://github.com/hashicorp/golang-lru/issues/159.
func verifyNoLeak(t *testing.T, before goleak.Option) {
	t.Helper()
	goleak.VerifyNone(t, before, goleak.IgnoreTopFunction("github.com/hashicorp/golang-lru/v2/expirable.NewLRU[...].func1"))
}
