// Package servingcert makes the webhook's serving certificate: it keeps CA and certificate in a
// Secret, serves the certificate from there, tells the API server the CA in the webhook
// configuration, and renews both.
package servingcert

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	corev1apply "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/util/cert"
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
	// absence is how long the Secret is gone before a replica that serves makes it again. An
	// uninstallation deletes it before the pods end, and they must not bring it back: it is longer
	// than the chart's preStop and a drain.
	absence = 15 * time.Second
	// firstRetry and lastRetry bound the pause after an error.
	firstRetry, lastRetry = 10 * time.Millisecond, 15 * time.Second
)

// Options say what a certificate is for and where it is kept.
type Options struct {
	Secret        types.NamespacedName
	Configuration string // the ValidatingWebhookConfiguration
	DNSName       string // that the API server calls the webhook by
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
	// served, announced and goneSince belong to Reconcile, which runs one at a time.
	served    state
	announced announcement
	goneSince time.Time // zero while the Secret exists
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
	return reconcile.Result{RequeueAfter: min(pause, lookAgain)}, nil
}

// renew reads the Secret, and writes it where something is due.
func (c *Controller) renew(ctx context.Context) (found state, pause time.Duration, err error) {
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		var secret corev1.Secret
		wait, err := c.read(ctx, &secret)
		if wait > 0 {
			found, pause = c.served, wait
		}
		if err != nil || wait > 0 {
			return err
		}
		held := parse(secret.Data)
		var known []*x509.Certificate
		if !held.signing.signs(c.now()) {
			if known, err = c.known(ctx); err != nil {
				return err
			}
		}
		if found, pause, err = held.next(c.options.DNSName, c.now(), known); err != nil {
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

// read reads the Secret, and makes it where it does not exist. A replica that serves waits before it
// makes it, and read returns how long.
func (c *Controller) read(ctx context.Context, secret *corev1.Secret) (wait time.Duration, err error) {
	if err := c.live.Get(ctx, c.options.Secret, secret); !apierrors.IsNotFound(err) {
		c.goneSince = time.Time{}
		return 0, err
	}
	log := ctrl.LoggerFrom(ctx)
	if c.goneSince.IsZero() {
		c.goneSince = c.now()
		log.Info("the Secret with the serving certificate does not exist", "secret", c.options.Secret)
	}
	if wait := absence - c.now().Sub(c.goneSince); c.served.serving.Leaf != nil && wait > 0 {
		return wait, nil
	}
	// Applied, and empty: what another replica has made meanwhile is not changed. RBAC can limit the
	// names of Secrets that are made by such a request, and not of those that are made by a POST.
	empty := corev1apply.Secret(c.options.Secret.Name, c.options.Secret.Namespace)
	if err := c.writer.Apply(ctx, empty, client.FieldOwner("chartgate")); err != nil {
		return 0, err
	}
	log.Info("made the Secret for the serving certificate", "secret", c.options.Secret)
	return 0, c.live.Get(ctx, c.options.Secret, secret)
}

// maxKnown bounds what is taken over from the configuration.
const maxKnown = 8

// known are the CAs of what replicas may serve at this moment: those of this replica, and those that
// the API server was told by others.
func (c *Controller) known(ctx context.Context) ([]*x509.Certificate, error) {
	var configuration admissionv1.ValidatingWebhookConfiguration
	if err := c.live.Get(ctx, types.NamespacedName{Name: c.options.Configuration}, &configuration); err != nil {
		return nil, fmt.Errorf("read the CAs that the API server trusts: %w", err)
	}
	known := slices.Clone(c.served.trusted)
	if own := c.served.signing.certificate; own != nil {
		known = append(known, own)
	}
	for _, webhook := range configuration.Webhooks {
		told, err := cert.ParseCertsPEM(webhook.ClientConfig.CABundle)
		if err != nil {
			continue // none, or none that the API server can use
		}
		for _, ca := range told {
			if ca.IsCA && len(known) < maxKnown && !slices.ContainsFunc(known, ca.Equal) {
				known = append(known, ca)
			}
		}
	}
	return known, nil
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
