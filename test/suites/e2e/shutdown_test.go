package e2e_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/harness"
)

// TestShutdown: a pod that ends answers what it has accepted; without any pod nothing is admitted,
// but policies can be mended; and a new pod takes over.
func TestShutdown(t *testing.T) {
	w := theOldSite(t)
	w.given(t, repositories())
	release, waiting := make(chan struct{}), make(chan struct{}, 100)
	w.fallback.Fail("/acme/charts/legacy/", func(rw http.ResponseWriter, r *http.Request, healthy http.Handler) {
		waiting <- struct{}{}
		<-release
		healthy.ServeHTTP(rw, r)
	})
	var group errgroup.Group
	const last = 5
	for n := range last {
		object := w.Object(t, helmRelease(fmt.Sprintf("last-%d", n), "{interval: 10m, "+harness.FromRepository("quay", "legacy", "1.0.0")+"}"))
		group.Go(func() error {
			_, err := w.Resource(t, harness.Admin, object).Create(t.Context(), object, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			return err
		})
	}
	<-waiting
	harness.Eventually(t, func() string { return cmp.Diff(last, w.inFlight(t)) })
	if err := w.Gate.Terminate(); err != nil {
		t.Fatal(err)
	}
	w.stopsListening(t)
	close(release)
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	if err := w.Gate.Wait(); err != nil {
		t.Error(err)
	}
	w.checkWithoutPod(t)
	w.checkReadiness(t)
	w.becomes(t, w.Object(t, releaseOf("podinfo", "6.7.1")), harness.Admitted())
}

func (w *site) stopsListening(t *testing.T) {
	t.Helper()
	harness.Eventually(t, func() string {
		conn, err := net.Dial("tcp", w.Installation.Address())
		if err != nil {
			return ""
		}
		_ = conn.Close()
		return "the webhook still listens"
	})
}

func (w *site) checkWithoutPod(t *testing.T) {
	t.Helper()
	object := w.Object(t, releaseOf("podinfo", "6.7.1"))
	_, err := w.Resource(t, harness.Admin, object).Create(t.Context(), object, metav1.CreateOptions{})
	if !apierrors.IsInternalError(err) || !strings.Contains(err.Error(), "failed calling webhook") {
		t.Errorf("without a pod, a signed chart: %v", err)
	}
	w.create(t, w.Object(t, harness.Policy("mended", `{match: {charts: ["oci://ghcr.io/acme/mended/*"]}, require: [{anyOf: [acme-release]}]}`)))
}

// checkReadiness starts a new pod, which is not ready before it has its certificate, however ready
// the rest of it is. Without the Secret it has none: it may fill it, and not create it.
func (w *site) checkReadiness(t *testing.T) {
	t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: cluster.Namespace, Name: "chartgate-certificate"}}
	err := w.Client.Delete(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	if w.Gate, err = w.Installation.Launch(t.Context()); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, func() string {
		if err := w.Gate.Ready(t.Context()); err == nil {
			t.Fatal("ready without a certificate")
		}
		if !strings.Contains(w.Gate.Log(), "policies in force") {
			return "the policies are not loaded"
		}
		return ""
	})
	if err := w.Gate.Ready(t.Context()); err == nil {
		t.Error("ready without a certificate, with policies")
	}
	secret.ResourceVersion = ""
	if err := errors.Join(w.Client.Create(t.Context(), secret), w.Gate.WaitReady(t.Context())); err != nil {
		t.Fatal(err)
	}
}
