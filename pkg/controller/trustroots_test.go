package controller_test

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
	"github.com/chartgate/chartgate/pkg/controller"
	"github.com/chartgate/chartgate/pkg/trust"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
)

func trustRoot(name string, spec v1alpha1.TrustRootSpec) *v1alpha1.TrustRoot {
	return &v1alpha1.TrustRoot{ObjectMeta: metav1.ObjectMeta{Name: name, Generation: 5}, Spec: spec}
}

func trustedRoot(t *testing.T) string {
	t.Helper()
	s, err := sigstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := s.TrustedRoot()
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

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
	content := trustedRoot(t)
	inConfigMap := v1alpha1.TrustRootSpec{ConfigMapRef: &v1alpha1.ConfigMapKeyReference{Name: "corp", Key: "root"}}
	c := clusterWith(t, interceptor.Funcs{},
		trustRoot("inline", v1alpha1.TrustRootSpec{TrustedRoot: content}),
		trustRoot("stored", inConfigMap),
		trustRoot("lost", v1alpha1.TrustRootSpec{ConfigMapRef: &v1alpha1.ConfigMapKeyReference{Name: "elsewhere"}}),
		trustRoot("wrong", v1alpha1.TrustRootSpec{TrustedRoot: "{}"}),
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: identities.Namespace, Name: "corp"}, Data: map[string]string{"root": content}},
		// One of that name in another namespace is somebody else's.
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "elsewhere"}, Data: map[string]string{"trusted_root.json": content}},
	)
	changes := controller.NewChanges()
	roots := rootsOf(t, changes.Tell)
	trustRoots := controller.NewTrustRoots(c, identities.Namespace, roots)
	if trustRoots.Ready(nil) == nil || trustRoots.Names() != nil {
		t.Error("ready before anything was loaded")
	}
	if _, err := trustRoots.Reconcile(t.Context(), ctrl.Request{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"inline", "lost", "stored", "wrong"}, trustRoots.Names()); diff != "" || trustRoots.Ready(nil) != nil {
		t.Error(diff)
	}
	usable := map[string]bool{}
	for _, name := range trustRoots.Names() {
		_, err := roots.Root(t.Context(), name)
		usable[name] = err == nil
	}
	if diff := cmp.Diff(map[string]bool{"inline": true, "stored": true, "lost": false, "wrong": false}, usable); diff != "" {
		t.Error(diff)
	}
	select {
	case <-changes:
	default:
		t.Error("nobody is told")
	}
	status := controller.NewTrustRootStatus(c, roots, changes)
	if _, err := status.Reconcile(t.Context(), ctrl.Request{}); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"inline": "True Loaded: the trust root is in use",
		"stored": "True Loaded: the trust root is in use",
		"lost":   "False Unavailable: the ConfigMap chartgate-system/elsewhere does not exist",
		"wrong":  "False Invalid: spec.trustedRoot: the content is not a trusted_root.json",
	}
	if diff := cmp.Diff(want, conditionsOf(t, c, trustRoots.Names()...)); diff != "" {
		t.Error(diff)
	}

	// The ConfigMap goes: the next load knows.
	if err := c.Delete(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: identities.Namespace, Name: "corp"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := trustRoots.Reconcile(t.Context(), ctrl.Request{}); err != nil {
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
			content := trustedRoot(t)
			c := clusterWith(t, interceptor.Funcs{
				List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
					if broken && what == "the list" {
						return errInjected
					}
					return c.List(ctx, list, opts...)
				},
				Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
					if broken && what == "the ConfigMap" {
						return errInjected
					}
					return c.Get(ctx, key, o, opts...)
				},
			}, trustRoot("stored", v1alpha1.TrustRootSpec{ConfigMapRef: &v1alpha1.ConfigMapKeyReference{Name: "corp"}}),
				&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: identities.Namespace, Name: "corp"}, Data: map[string]string{"trusted_root.json": content}})
			roots := rootsOf(t, nil)
			trustRoots := controller.NewTrustRoots(c, identities.Namespace, roots)
			if _, err := trustRoots.Reconcile(t.Context(), ctrl.Request{}); err != nil {
				t.Fatal(err)
			}
			broken = true
			if _, err := trustRoots.Reconcile(t.Context(), ctrl.Request{}); err == nil {
				t.Error("no error, so nobody would try again")
			}
			if _, err := roots.Root(t.Context(), "stored"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestTrustRootStatusIsWrittenOnChangeOnly, and never about another generation than the one that was judged.
func TestTrustRootStatusIsWrittenOnChangeOnly(t *testing.T) {
	var p patches
	c := clusterWith(t, p.funcs(), trustRoot("inline", v1alpha1.TrustRootSpec{TrustedRoot: trustedRoot(t)}), trustRoot("unknown", v1alpha1.TrustRootSpec{}))
	roots := rootsOf(t, nil)
	status := controller.NewTrustRootStatus(c, roots, controller.NewChanges())
	write := func(want ...string) {
		t.Helper()
		p.of = nil
		if _, err := status.Reconcile(t.Context(), ctrl.Request{}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, p.of); diff != "" {
			t.Error(diff)
		}
	}
	write()
	var obj v1alpha1.TrustRoot
	if err := c.Get(t.Context(), client.ObjectKey{Name: "inline"}, &obj); err != nil {
		t.Fatal(err)
	}
	roots.Set([]trust.Item{{Object: obj}})
	write("inline/status")
	write()
	older := obj
	older.Generation = 4
	older.Spec = v1alpha1.TrustRootSpec{}
	roots.Set([]trust.Item{{Object: older}})
	write()
}

// TestChanges: whoever tells never waits, and what is told is not lost.
func TestChanges(t *testing.T) {
	changes := controller.NewChanges()
	for range 3 {
		changes.Tell()
	}
	if len(changes) != 1 {
		t.Errorf("%d", len(changes))
	}
}

// TestIdentityWithoutTrustRoot: an identity that names a TrustRoot which does not exist is not ready, unless it needs none.
func TestIdentityWithoutTrustRoot(t *testing.T) {
	const pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n"
	naming := func(name, root string, key *v1alpha1.Key) *v1alpha1.TrustedIdentity {
		obj := identity(name, "s")
		if key != nil {
			obj.Spec.Keyless, obj.Spec.Key = nil, key
		}
		obj.Spec.TrustRoot = root
		return obj
	}
	unlogged := &v1alpha1.Key{PEM: pem, TransparencyLog: v1alpha1.TransparencyLogNotRequired}
	windowed := naming("windowed", "absent", unlogged)
	windowed.Spec.Validity = &v1alpha1.Validity{NotAfter: &metav1.Time{Time: time.Now()}}
	all := []*v1alpha1.TrustedIdentity{
		naming("named", "corp", nil), naming("default", "default", nil), naming("absent", "absent", nil),
		naming("key", "absent", &v1alpha1.Key{PEM: pem}), naming("unlogged", "absent", unlogged), windowed,
	}
	objects := []client.Object{trustRoot("corp", v1alpha1.TrustRootSpec{})}
	for _, obj := range all {
		objects = append(objects, obj)
	}
	c := clusterWith(t, interceptor.Funcs{}, objects...)
	if err := reconcile(t, c); err != nil {
		t.Fatal(err)
	}
	const missing = "the TrustRoot absent does not exist"
	want := map[string]string{"named": "", "default": "", "absent": missing, "key": missing, "unlogged": "", "windowed": missing}
	for _, obj := range all {
		got := readyOf(t, c, obj)
		if why := want[obj.Name]; (got.Status == "True") != (why == "") || why != "" && got.Message != why {
			t.Errorf("%s: %+v", obj.Name, got)
		}
	}
}
