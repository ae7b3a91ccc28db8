package faults_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/signature"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/webhook"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
)

// world is a webhook and all that it depends on, on 127.0.0.1.
type world struct {
	registry *registrytest.Registry
	api      *apiServer
	hook     *httptest.Server
	from     string // the address of clients; "" is any
	// arrived counts the admissions that the webhook has begun, answered those that it has ended.
	arrived, answered counter
}

// setting is what a test may want otherwise.
type setting struct {
	registry registrytest.Options
	// policies makes the policies; by default those of fixedPolicies.
	policies func(*testing.T, *world) gate.Policies
	// trustedRoot is the content of trusted_root.json; nil is none.
	trustedRoot []byte
	clock       func() time.Time
	options     source.Options
	// others are hosts besides the registry's that may be spoken to over plain HTTP.
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
	s.options.PlainHTTP = append([]string{w.registry.Host(), nobody(t)}, s.others...)
	client := registry.New(registry.Options{PlainHTTP: s.options.PlainHTTP})
	decide := gate.New(s.policies(t, w), client, signature.New(roots), s.clock)
	extractor := source.NewExtractor(w.api.siblings(t), s.options)
	charts := webhook.NewCharts(extractor, decide, 32, metrics, nil)
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

// always are policies that do not change.
type always struct{ set *policy.Set }

func (a always) Current() *policy.Set { return a.set }
