// Package servingcert makes the webhook's serving certificate: it keeps CA and certificate in a
// Secret, serves the certificate from there, tells the API server the CA in the webhook
// configuration, and renews both.
package servingcert

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const (
	// settle is how long an announced CA is given to reach the API servers before this replica
	// changes to a certificate of it, where the one that it serves is still trusted.
	settle = 5 * time.Second
	// firstRetry and lastRetry bound the pause after an error.
	firstRetry, lastRetry = 10 * time.Millisecond, 15 * time.Second
)

// Options say what a certificate is for and where it is kept.
type Options struct {
	Secret        types.NamespacedName // exists already; it may be empty
	Configuration string               // the ValidatingWebhookConfiguration
	DNSName       string               // that the API server calls the webhook by
}

// Controller looks after the certificate. Every replica runs one; whichever writes first wins, and
// the others read what it has written.
type Controller struct {
	options Options
	live    client.Reader
	writer  client.Writer
	now     func() time.Time

	serving atomic.Pointer[tls.Certificate]
	ready   chan struct{}
	// served and announced belong to Reconcile, which runs one at a time.
	served    state
	announced announcement
}

// announcement is a bundle that the webhook configuration holds, and since when this replica knows.
type announcement struct {
	bundle []byte
	since  time.Time
}

// New returns a controller that reads live and not from a cache: of what another replica has just
// written, nothing may be overwritten.
func New(live client.Reader, writer client.Writer, options Options) *Controller {
	return &Controller{options: options, live: live, writer: writer, now: time.Now, ready: make(chan struct{})}
}

// Ready is closed once there is a certificate to serve and the API server is told to trust it.
func (c *Controller) Ready() <-chan struct{} { return c.ready }

// GetCertificate is for tls.Config.
func (c *Controller) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if serving := c.serving.Load(); serving != nil {
		return serving, nil
	}
	return nil, errors.New("there is no serving certificate yet")
}

// SetupWithManager lets the controller run on every replica, whenever the Secret or the
// configuration changes.
func (c *Controller) SetupWithManager(mgr ctrl.Manager) error {
	everyReplica := false
	all := handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: c.options.Secret}}
	})
	named := func(name types.NamespacedName) builder.WatchesOption {
		return builder.WithPredicates(predicate.NewPredicateFuncs(func(o client.Object) bool {
			return client.ObjectKeyFromObject(o) == name
		}))
	}
	return ctrl.NewControllerManagedBy(mgr).Named("certificate").
		WatchesMetadata(&corev1.Secret{}, all, named(c.options.Secret)).
		WatchesMetadata(&admissionv1.ValidatingWebhookConfiguration{}, all, named(types.NamespacedName{Name: c.options.Configuration})).
		WithOptions(controller.Options{
			NeedLeaderElection: &everyReplica,
			RateLimiter:        workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry),
		}).
		Complete(c)
}

// Reconcile makes what the Secret lacks, announces its CAs, and serves its certificate, in this
// order: the API server never meets a certificate before it was told the CA.
func (c *Controller) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	found, pause, err := c.renew(ctx)
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("keep the certificate in the Secret %s: %w", c.options.Secret, err)
	}
	if err := c.announce(ctx, found); err != nil {
		return reconcile.Result{}, fmt.Errorf("write the CA into the ValidatingWebhookConfiguration %s: %w", c.options.Configuration, err)
	}
	if wait := c.serve(found); wait > 0 {
		pause = min(pause, wait)
	}
	return reconcile.Result{RequeueAfter: pause}, nil
}

// renew reads the Secret, and writes it where something is due.
func (c *Controller) renew(ctx context.Context) (found state, pause time.Duration, err error) {
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		var secret corev1.Secret
		if err := c.live.Get(ctx, c.options.Secret, &secret); err != nil {
			return err
		}
		if found, pause, err = parse(secret.Data).next(c.options.DNSName, c.now(), c.served); err != nil {
			return err
		}
		data, err := found.encode()
		if err != nil || holds(secret.Data, data) {
			return err
		}
		if secret.Data == nil {
			secret.Data = map[string][]byte{}
		}
		maps.Copy(secret.Data, data)
		// Refused if another replica has written since.
		if err := c.writer.Update(ctx, &secret); err != nil {
			return err
		}
		ctrl.LoggerFrom(ctx).Info("renewed the serving certificate", "until", found.serving.Leaf.NotAfter)
		return nil
	})
	return found, pause, err
}

// holds reports whether a Secret holds these items.
func holds(data, items map[string][]byte) bool {
	for item, content := range items {
		if !bytes.Equal(data[item], content) {
			return false
		}
	}
	return true
}

// announce writes the CAs into each webhook of the configuration that lacks them.
func (c *Controller) announce(ctx context.Context, found state) error {
	bundle, err := found.bundle()
	if err != nil {
		return err
	}
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		var configuration admissionv1.ValidatingWebhookConfiguration
		if err := c.live.Get(ctx, types.NamespacedName{Name: c.options.Configuration}, &configuration); err != nil {
			return err
		}
		patch, err := patchFor(configuration, bundle)
		if err != nil || patch == nil {
			return err
		}
		return c.writer.Patch(ctx, &configuration, client.RawPatch(types.JSONPatchType, patch))
	})
	if err == nil && !bytes.Equal(c.announced.bundle, bundle) {
		c.announced = announcement{bundle, c.now()}
	}
	return err
}

// patchFor changes the CAs and nothing else, in the version of the configuration that was read; nil
// where nothing is to change. Fields that this program does not know are kept.
func patchFor(configuration admissionv1.ValidatingWebhookConfiguration, bundle []byte) ([]byte, error) {
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	operations := []operation{{"replace", "/metadata/resourceVersion", configuration.ResourceVersion}}
	for i, webhook := range configuration.Webhooks {
		if !bytes.Equal(webhook.ClientConfig.CABundle, bundle) {
			operations = append(operations, operation{"add", fmt.Sprintf("/webhooks/%d/clientConfig/caBundle", i), bundle})
		}
	}
	if len(operations) == 1 {
		return nil, nil
	}
	return json.Marshal(operations)
}

// serve changes to a certificate whose CA is announced, or returns how long the CA needs to settle.
func (c *Controller) serve(found state) time.Duration {
	stillTrusted := c.served.serves(c.options.DNSName, c.now(), append(found.trusted, found.signing.certificate)...)
	changed := !sameLeaf(c.served, found)
	if wait := settle - c.now().Sub(c.announced.since); changed && stillTrusted && wait > 0 {
		return wait
	}
	c.served = found
	if changed {
		c.serving.Store(&found.serving)
	}
	select {
	case <-c.ready:
	default:
		close(c.ready)
	}
	return 0
}

func sameLeaf(a, b state) bool {
	return a.serving.Leaf != nil && b.serving.Leaf != nil && a.serving.Leaf.Equal(b.serving.Leaf)
}
