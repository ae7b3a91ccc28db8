package trustrootstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/status"
	"github.com/chartgate/chartgate/pkg/trust"
	"github.com/chartgate/chartgate/pkg/trustrootstore"
	"github.com/chartgate/chartgate/test/fixtures/kube"
)

func rootsOf(t *testing.T, changed func()) *trust.Roots {
	t.Helper()
	roots := trust.New(trust.Options{CacheDir: t.TempDir(), Patience: time.Second, Changed: changed})
	t.Cleanup(roots.Close)
	return roots
}

// conditionsOf are the Ready conditions in status.
func conditionsOf(t *testing.T, c client.Client, names ...string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range names {
		var obj v1alpha1.TrustRoot
		if err := c.Get(t.Context(), client.ObjectKey{Name: name}, &obj); err != nil {
			t.Fatal(err)
		}
		for _, condition := range obj.Status.Conditions {
			all[name] += string(condition.Status) + " " + condition.Reason + ": " + condition.Message
			if condition.ObservedGeneration != 5 || condition.LastTransitionTime.IsZero() {
				t.Errorf("%s: %+v", name, condition)
			}
		}
	}
	return all
}

// TestTrustRoots: what the cluster holds is in force, and status says what became of it.
func TestTrustRoots(t *testing.T) {
	content := kube.TrustedRoot(t)
	inConfigMap := v1alpha1.TrustRootSpec{ConfigMapRef: &v1alpha1.ConfigMapKeyReference{Name: "corp", Key: "root"}}
	c := kube.Cluster(t, interceptor.Funcs{},
		kube.TrustRoot("inline", v1alpha1.TrustRootSpec{TrustedRoot: content}),
		kube.TrustRoot("stored", inConfigMap),
		kube.TrustRoot("lost", v1alpha1.TrustRootSpec{ConfigMapRef: &v1alpha1.ConfigMapKeyReference{Name: "elsewhere"}}),
		kube.TrustRoot("wrong", v1alpha1.TrustRootSpec{TrustedRoot: "{}"}),
		kube.ConfigMap("corp", map[string]string{"root": content}),
		// A ConfigMap of that name in another namespace is not read.
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "elsewhere"}, Data: map[string]string{"trusted_root.json": content}},
	)
	changes := status.NewChanges()
	roots := rootsOf(t, changes.Notify)
	store := trustrootstore.New(c, kube.Namespace, roots)
	if store.Ready(nil) == nil || store.Names() != nil {
		t.Error("ready before anything was loaded")
	}
	if _, err := store.Reconcile(t.Context(), ctrl.Request{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"inline", "lost", "stored", "wrong"}, store.Names()); diff != "" || store.Ready(nil) != nil {
		t.Error(diff)
	}
	usable := map[string]bool{}
	for _, name := range store.Names() {
		_, err := roots.Root(t.Context(), name)
		usable[name] = err == nil
	}
	if diff := cmp.Diff(map[string]bool{"inline": true, "stored": true, "lost": false, "wrong": false}, usable); diff != "" {
		t.Error(diff)
	}
	select {
	case <-changes:
	default:
		t.Error("no change is announced")
	}
	writer := status.NewTrustRootWriter(c, roots, changes)
	if _, err := writer.Reconcile(t.Context(), ctrl.Request{}); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"inline": "True Loaded: the trust root is in use",
		"stored": "True Loaded: the trust root is in use",
		"lost":   "False Unavailable: the ConfigMap chartgate-system/elsewhere does not exist",
		"wrong":  "False Invalid: spec.trustedRoot: the content is not a trusted_root.json",
	}
	if diff := cmp.Diff(want, conditionsOf(t, c, store.Names()...)); diff != "" {
		t.Error(diff)
	}

	// The ConfigMap goes: the next load knows.
	if err := c.Delete(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: kube.Namespace, Name: "corp"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Reconcile(t.Context(), ctrl.Request{}); err != nil {
		t.Fatal(err)
	}
	if _, err := roots.Root(t.Context(), "stored"); err == nil {
		t.Error("a ConfigMap that is gone is in use")
	}
}

// TestTrustRootErrors: an API server that fails leaves in force what was.
func TestTrustRootErrors(t *testing.T) {
	for _, what := range []string{"the list", "the ConfigMap"} {
		t.Run(what, func(t *testing.T) {
			broken := false
			content := kube.TrustedRoot(t)
			c := kube.Cluster(t, interceptor.Funcs{
				List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
					if broken && what == "the list" {
						return kube.ErrInjected
					}
					return c.List(ctx, list, opts...)
				},
				Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
					if broken && what == "the ConfigMap" {
						return kube.ErrInjected
					}
					return c.Get(ctx, key, o, opts...)
				},
			}, kube.TrustRoot("stored", v1alpha1.TrustRootSpec{ConfigMapRef: &v1alpha1.ConfigMapKeyReference{Name: "corp"}}),
				kube.ConfigMap("corp", map[string]string{"trusted_root.json": content}))
			roots := rootsOf(t, nil)
			store := trustrootstore.New(c, kube.Namespace, roots)
			if _, err := store.Reconcile(t.Context(), ctrl.Request{}); err != nil {
				t.Fatal(err)
			}
			broken = true
			if _, err := store.Reconcile(t.Context(), ctrl.Request{}); err == nil {
				t.Error("no error, so the load would not be tried again")
			}
			if _, err := roots.Root(t.Context(), "stored"); err != nil {
				t.Error(err)
			}
		})
	}
}
