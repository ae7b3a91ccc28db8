package servingcert

import (
	"context"
	"crypto/x509"
	"errors"
	"slices"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

var options = Options{
	Secret:        types.NamespacedName{Namespace: "chartgate-system", Name: "chartgate-certificate"},
	Configuration: "chartgate",
	DNSName:       dnsName,
}

// world is a cluster with chartgate's chart.
type world struct {
	client.WithWatch
	asked []string                // each request, in order
	fail  map[string]func() error // by request; nil lets it pass
	now   time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{fail: map[string]func() error{}, now: begin}
	note := func(verb string, object client.Object) error {
		kind := "Secret"
		if _, ok := object.(*admissionv1.ValidatingWebhookConfiguration); ok {
			kind = "Configuration"
		}
		request := verb + " " + kind
		w.asked = append(w.asked, request)
		if fail := w.fail[request]; fail != nil {
			return fail()
		}
		return nil
	}
	w.WithWatch = fake.NewClientBuilder().WithScheme(scheme.Scheme).
		WithObjects(
			&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: options.Secret.Namespace, Name: options.Secret.Name}},
			&admissionv1.ValidatingWebhookConfiguration{
				ObjectMeta: metav1.ObjectMeta{Name: options.Configuration},
				Webhooks:   []admissionv1.ValidatingWebhook{{Name: "charts.chartgate.dev"}, {Name: "policies.chartgate.dev"}},
			}).
		WithInterceptorFuncs(interceptor.Funcs{
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, o ...client.GetOption) error {
				return errors.Join(note("get", object), c.Get(ctx, key, object, o...))
			},
			Update: func(ctx context.Context, c client.WithWatch, object client.Object, o ...client.UpdateOption) error {
				if err := note("update", object); err != nil {
					return err
				}
				return c.Update(ctx, object, o...)
			},
			Apply: func(ctx context.Context, c client.WithWatch, object runtime.ApplyConfiguration, o ...client.ApplyOption) error {
				if err := note("apply", &corev1.Secret{}); err != nil {
					return err
				}
				return c.Apply(ctx, object, o...)
			},
			Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, o ...client.PatchOption) error {
				if err := note("patch", object); err != nil {
					return err
				}
				return c.Patch(ctx, object, patch, o...)
			},
		}).Build()
	return w
}

func (w *world) replica() *Controller {
	c := New(w, w, options)
	c.now = func() time.Time { return w.now }
	return c
}

// look lets a replica look once.
func (w *world) look(t *testing.T, c *Controller) time.Duration {
	t.Helper()
	w.asked = nil
	result, err := c.Reconcile(t.Context(), reconcile.Request{})
	if err != nil {
		t.Fatal(err)
	}
	return result.RequeueAfter
}

func (w *world) secret(t *testing.T) *corev1.Secret {
	t.Helper()
	var secret corev1.Secret
	if err := w.Get(t.Context(), options.Secret, &secret); err != nil {
		t.Fatal(err)
	}
	return &secret
}

func (w *world) configuration(t *testing.T) *admissionv1.ValidatingWebhookConfiguration {
	t.Helper()
	var configuration admissionv1.ValidatingWebhookConfiguration
	if err := w.Get(t.Context(), types.NamespacedName{Name: options.Configuration}, &configuration); err != nil {
		t.Fatal(err)
	}
	return &configuration
}

// calls does what the API server does: it verifies what a replica serves by each webhook's CAs.
func (w *world) calls(t *testing.T, c *Controller) error {
	t.Helper()
	serving, err := c.GetCertificate(nil)
	if err != nil {
		return err
	}
	for _, webhook := range w.configuration(t).Webhooks {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(webhook.ClientConfig.CABundle)
		if _, err := serving.Leaf.Verify(x509.VerifyOptions{DNSName: dnsName, Roots: roots, CurrentTime: w.now}); err != nil {
			return err
		}
	}
	return nil
}

func ready(c *Controller) bool {
	select {
	case <-c.Ready():
		return true
	default:
		return false
	}
}

// TestStart: one look makes a replica ready, with no request but these, and without waiting for
// anything.
func TestStart(t *testing.T) {
	w := newWorld(t)
	for _, tc := range []struct {
		sentence string
		asks     []string
	}{
		{"the first replica of a cluster", []string{"get Secret", "get Configuration", "update Secret", "get Configuration", "patch Configuration"}},
		{"a later one", []string{"get Secret", "get Configuration"}},
	} {
		c := w.replica()
		if ready(c) || w.calls(t, c) == nil {
			t.Fatalf("%s is ready before it has looked", tc.sentence)
		}
		w.look(t, c)
		if !slices.Equal(w.asked, tc.asks) {
			t.Errorf("%s asks %v", tc.sentence, w.asked)
		}
		if !ready(c) {
			t.Errorf("%s is not ready", tc.sentence)
		}
		if err := w.calls(t, c); err != nil {
			t.Errorf("%s: %v", tc.sentence, err)
		}
	}
}

// TestNoCallFails lets two replicas look whenever they want to and whenever something has changed,
// through renewals, a Secret that loses its content, and the change to a new CA: the API server
// trusts what each serves, always.
func TestNoCallFails(t *testing.T) {
	w := newWorld(t)
	replicas := []*Controller{w.replica(), w.replica()}
	both := func() time.Duration {
		t.Helper()
		pause := lookAgain
		for _, c := range replicas {
			pause = min(pause, w.look(t, c))
			for _, each := range replicas {
				if _, err := each.GetCertificate(nil); err != nil {
					continue // it has not looked yet
				}
				if err := w.calls(t, each); err != nil {
					t.Fatalf("%s: %v", w.now, err)
				}
			}
		}
		return pause
	}
	until := func(end time.Time) {
		t.Helper()
		for w.now.Before(end) {
			both()                                      // an event, such as the other replica's write
			w.now = w.now.Add(max(both(), time.Second)) // the time that they asked for
		}
	}
	// Years in which nothing but the serving certificate is renewed are passed over.
	jump := func(to time.Time) {
		t.Helper()
		w.now = to
		for range 2 {
			for _, c := range replicas {
				w.look(t, c)
			}
			w.now = w.now.Add(overlap)
		}
	}
	until(begin.Add(time.Hour))
	first := parse(w.secret(t).Data)
	w.now = begin.Add(servingLife - renewBefore - time.Hour)
	until(w.now.Add(2 * time.Hour))
	renewed := parse(w.secret(t).Data)
	if sameLeaf(first, renewed) || !first.signing.certificate.Equal(renewed.signing.certificate) {
		t.Error("the certificate was not renewed by the same CA")
	}
	secret := w.secret(t)
	secret.Data = nil
	if err := w.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	until(w.now.Add(time.Hour))
	repaired := parse(w.secret(t).Data)
	if repaired.signing.certificate.Equal(renewed.signing.certificate) || len(repaired.trusted) > 0 {
		t.Error("the CA was not made again, or the old one is still trusted")
	}
	if err := w.Delete(t.Context(), w.secret(t)); err != nil {
		t.Fatal(err)
	}
	until(w.now.Add(time.Hour))
	remade := parse(w.secret(t).Data)
	if remade.signing.certificate.Equal(repaired.signing.certificate) || len(remade.trusted) > 0 {
		t.Error("the deleted Secret came back with the old CA, or the old one is still trusted")
	}
	repaired = remade
	jump(repaired.signing.certificate.NotAfter.Add(-renewBefore - time.Hour))
	until(w.now.Add(2 * time.Hour))
	changed := parse(w.secret(t).Data)
	if changed.signing.certificate.Equal(repaired.signing.certificate) || len(changed.trusted) > 0 {
		t.Error("the CA was not changed, or the old one is still trusted")
	}
}

// TestSettle: another replica's new CA is given time to reach the API servers.
func TestSettle(t *testing.T) {
	w := newWorld(t)
	a, b := w.replica(), w.replica()
	w.look(t, a)
	w.look(t, b)
	old, _ := b.GetCertificate(nil)
	secret := w.secret(t)
	secret.Data = nil
	if err := w.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	w.look(t, a)
	if pause := w.look(t, b); pause != settle {
		t.Errorf("it looks again in %s", pause)
	}
	if now, _ := b.GetCertificate(nil); now != old {
		t.Error("it changes before the CA has settled")
	}
	w.now = w.now.Add(settle)
	w.look(t, b)
	if now, _ := b.GetCertificate(nil); now == old {
		t.Error("it never changes")
	}
	// Where the API server does not trust the old one any more, waiting would only cost writes.
	fresh, _, err := state{}.next(dnsName, w.now, nil)
	if err != nil {
		t.Fatal(err)
	}
	secret = w.secret(t)
	if secret.Data, err = fresh.encode(); err != nil {
		t.Fatal(err)
	}
	if err := w.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	w.look(t, b)
	if err := w.calls(t, b); err != nil {
		t.Errorf("it goes on with a certificate that is not trusted: %v", err)
	}
}

// TestDeletedSecret: a replica that serves goes on, and makes the Secret again after a while; one that
// starts makes it at once, and the API server still trusts what the other one serves.
func TestDeletedSecret(t *testing.T) {
	for _, tc := range []struct {
		sentence string
		started  bool // another replica starts while it is gone
		back     bool // somebody else makes it again, as helm does
	}{
		{"no other replica starts", false, false},
		{"another replica starts", true, false},
		{"helm makes it again", false, true},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			w := newWorld(t)
			old := w.replica()
			w.look(t, old)
			before, _ := old.GetCertificate(nil)
			if err := w.Delete(t.Context(), w.secret(t)); err != nil {
				t.Fatal(err)
			}
			if pause := w.look(t, old); pause != absence || !slices.Equal(w.asked, []string{"get Secret", "get Configuration"}) {
				t.Errorf("it looks again in %s, and asks %v", pause, w.asked)
			}
			switch {
			case tc.started:
				started := w.replica()
				w.look(t, started)
				if err := w.calls(t, started); err != nil || !ready(started) {
					t.Errorf("the new replica: %v", err)
				}
			case tc.back:
				secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: options.Secret.Namespace, Name: options.Secret.Name}}
				if err := w.Create(t.Context(), secret); err != nil {
					t.Fatal(err)
				}
			default:
				w.now = w.now.Add(absence)
			}
			for range 2 { // the CA is announced and settles; then it changes
				if err := w.calls(t, old); err != nil {
					t.Error(err)
				}
				w.look(t, old)
				w.now = w.now.Add(settle)
			}
			if err := w.calls(t, old); err != nil {
				t.Error(err)
			}
			if now, _ := old.GetCertificate(nil); now == before {
				t.Error("it never changes")
			}
			if trusted := parse(w.secret(t).Data).trusted; len(trusted) != 1 {
				t.Errorf("%d older CAs are trusted", len(trusted))
			}
		})
	}
}

// TestRace: what another replica has written meanwhile is taken over, not overwritten.
func TestRace(t *testing.T) {
	w := newWorld(t)
	first, second := w.replica(), w.replica()
	w.fail["update Secret"] = func() error {
		w.fail = map[string]func() error{}
		w.look(t, first)
		return nil // and now the update of the second, of the older version
	}
	w.look(t, second)
	for _, c := range []*Controller{first, second} {
		if err := w.calls(t, c); err != nil {
			t.Error(err)
		}
	}
	one, _ := first.GetCertificate(nil)
	other, _ := second.GetCertificate(nil)
	if !one.Leaf.Equal(other.Leaf) {
		t.Error("two certificates are served")
	}
	// The same for the configuration: its other fields are another writer's.
	configuration := w.configuration(t)
	configuration.Webhooks[0].ClientConfig.CABundle = nil
	if err := w.Update(t.Context(), configuration); err != nil {
		t.Fatal(err)
	}
	w.fail["patch Configuration"] = func() error {
		w.fail = map[string]func() error{}
		configuration := w.configuration(t)
		slices.Reverse(configuration.Webhooks)
		return w.Update(t.Context(), configuration)
	}
	w.look(t, second)
	if err := w.calls(t, second); err != nil || w.configuration(t).Webhooks[0].Name != "policies.chartgate.dev" {
		t.Errorf("%v, %v", err, w.configuration(t).Webhooks)
	}
}

// TestFailures: without a Secret, or where the CA cannot be announced, a replica is not ready, and
// what it serves goes on.
func TestFailures(t *testing.T) {
	refused := func() error { return apierrors.NewForbidden(corev1.Resource("secrets"), "x", errors.New("no")) }
	for _, request := range []string{"get Secret", "apply Secret", "update Secret", "get Configuration", "patch Configuration"} {
		w := newWorld(t)
		if request == "apply Secret" {
			if err := w.Delete(t.Context(), w.secret(t)); err != nil {
				t.Fatal(err)
			}
		}
		c := w.replica()
		w.fail[request] = refused
		if _, err := c.Reconcile(t.Context(), reconcile.Request{}); err == nil || ready(c) || c.serving.Load() != nil {
			t.Errorf("%s fails: %v, and it serves", request, err)
		}
		delete(w.fail, request)
		w.look(t, c)
		w.fail[request] = refused
		_, _ = c.Reconcile(t.Context(), reconcile.Request{})
		delete(w.fail, request)
		if err := w.calls(t, c); err != nil {
			t.Errorf("%s fails later: %v", request, err)
		}
	}
}

// TestForeignCAs: a CA that another writer puts into the configuration does not stay.
func TestForeignCAs(t *testing.T) {
	w := newWorld(t)
	c := w.replica()
	w.look(t, c)
	own := w.configuration(t).Webhooks[0].ClientConfig.CABundle
	foreign, _, err := state{}.next(dnsName, w.now, nil)
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := foreign.bundle()
	if err != nil {
		t.Fatal(err)
	}
	configuration := w.configuration(t)
	configuration.Webhooks[1].ClientConfig.CABundle = append(slices.Clone(own), bundle...)
	if err := w.Update(t.Context(), configuration); err != nil {
		t.Fatal(err)
	}
	w.look(t, c)
	for _, webhook := range w.configuration(t).Webhooks {
		if !slices.Equal(webhook.ClientConfig.CABundle, own) {
			t.Errorf("%s trusts another CA", webhook.Name)
		}
	}
}
