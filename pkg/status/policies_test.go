package status_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/keys"
	"github.com/chartgate/chartgate/pkg/policystore"
	"github.com/chartgate/chartgate/pkg/status"
	"github.com/chartgate/chartgate/test/fixtures/kube"
)

// patches counts writes of status, and makes those of the named objects fail.
type patches struct {
	of   []string
	fail map[string]error
}

func (p *patches) funcs() interceptor.Funcs {
	return interceptor.Funcs{SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
		p.of = append(p.of, o.GetName()+"/"+sub)
		if err := p.fail[o.GetName()]; err != nil {
			return err
		}
		return c.SubResource(sub).Patch(ctx, o, patch, opts...)
	}}
}

func reconcile(t *testing.T, c client.Client) error {
	t.Helper()
	reader := keys.NewReader(keys.Config{Secrets: c, Namespace: kube.Namespace, Refresh: keys.DefaultRefresh})
	writer := status.NewPolicyWriter(c, policystore.New(c, kube.Identities, reader), reader)
	_, err := writer.Reconcile(t.Context(), ctrl.Request{})
	return err
}

func TestStatus(t *testing.T) {
	var p patches
	c := kube.Cluster(t, p.funcs(), kube.Identity("release", "s"), kube.BrokenIdentity("broken-identity"), kube.Policy("acme", "release"), kube.Policy("broken", "absent"), kube.Policy("worse", "broken-identity"))
	if err := reconcile(t, c); err != nil {
		t.Fatal(err)
	}
	want := []kube.Ready{
		{Status: "True", Reason: "Compiled", ObservedGeneration: 3, Message: "the identity can be used"},
		{Status: "False", Reason: "Invalid", ObservedGeneration: 3, Message: "spec: exactly one of keyless and key must be set"},
		{Status: "True", Reason: "Compiled", ObservedGeneration: 7, Message: "the policy is in force"},
		{Status: "False", Reason: "Invalid", ObservedGeneration: 7, Message: `spec.require[0].anyOf[0]: TrustedIdentity "absent" does not exist`},
		{Status: "False", Reason: "Invalid", ObservedGeneration: 7, Message: `spec.require[0].anyOf[0]: TrustedIdentity "broken-identity" is invalid: spec: exactly one of keyless and key must be set`},
	}
	got := []kube.Ready{
		kube.ReadyOf(t, c, kube.Identity("release", "")), kube.ReadyOf(t, c, kube.BrokenIdentity("broken-identity")),
		kube.ReadyOf(t, c, kube.Policy("acme")), kube.ReadyOf(t, c, kube.Policy("broken")), kube.ReadyOf(t, c, kube.Policy("worse")),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"broken-identity/status", "release/status", "acme/status", "broken/status", "worse/status"}, p.of); diff != "" {
		t.Error(diff)
	}
}

// A status that is written again without a change wakes everybody who watches.
func TestStatusIsWrittenOnChangeOnly(t *testing.T) {
	var p patches
	c := kube.Cluster(t, p.funcs(), kube.Policy("acme", "release"), kube.Identity("other", "t"))
	for range 3 {
		if err := reconcile(t, c); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"other/status", "acme/status"}, p.of); diff != "" {
		t.Errorf("the same status was written again: %s", diff)
	}
	first := transition(t, c)
	if err := c.Create(t.Context(), kube.Identity("release", "s")); err != nil {
		t.Fatal(err)
	}
	p.of = nil
	if err := reconcile(t, c); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"release/status", "acme/status"}, p.of); diff != "" {
		t.Error(diff)
	}
	if got := kube.ReadyOf(t, c, kube.Policy("acme")); got.Status != "True" {
		t.Errorf("%+v, first %s", got, first)
	}
}

func transition(t *testing.T, c client.Client) metav1.Time {
	t.Helper()
	o := kube.Policy("acme")
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
		t.Fatal(err)
	}
	return o.Status.Conditions[0].LastTransitionTime
}

// A new generation is observed, also if it says the same about readiness.
func TestStatusObservesGenerations(t *testing.T) {
	c := kube.Cluster(t, interceptor.Funcs{}, kube.Identity("release", "s"))
	if err := reconcile(t, c); err != nil {
		t.Fatal(err)
	}
	o := kube.Identity("release", "")
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
		t.Fatal(err)
	}
	o.Generation++
	if err := c.Update(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if err := reconcile(t, c); err != nil {
		t.Fatal(err)
	}
	if got := kube.ReadyOf(t, c, kube.Identity("release", "")); got.ObservedGeneration != 4 {
		t.Errorf("%+v", got)
	}
}

func TestStatusErrors(t *testing.T) {
	gone := apierrors.NewNotFound(schema.GroupResource{Resource: "trustedidentities"}, "a")
	for _, c := range []struct {
		sentence string
		fail     map[string]error
		isError  bool
		want     []string // all are tried
	}{
		{"an object that is gone is no error", map[string]error{"a": gone}, false, []string{"a/status", "b/status", "acme/status"}},
		{"one failure does not stop the others", map[string]error{"a": kube.ErrInjected}, true, []string{"a/status", "b/status", "acme/status"}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			p := patches{fail: c.fail}
			err := reconcile(t, kube.Cluster(t, p.funcs(), kube.Identity("a", "s"), kube.Identity("b", "s"), kube.Policy("acme", "a")))
			if (err != nil) != c.isError || c.isError && !errors.Is(err, kube.ErrInjected) {
				t.Error(err)
			}
			if diff := cmp.Diff(c.want, p.of); diff != "" {
				t.Error(diff)
			}
		})
	}
	broken := interceptor.Funcs{List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
		return kube.ErrInjected
	}}
	if err := reconcile(t, kube.Cluster(t, broken)); !errors.Is(err, kube.ErrInjected) {
		t.Errorf("reading fails: %v", err)
	}
}

// TestIdentityWithoutTrustRoot: an identity that names a TrustRoot which does not exist is not
// ready, unless it needs no trust root.
func TestIdentityWithoutTrustRoot(t *testing.T) {
	const pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n"
	naming := func(name, root string, key *v1alpha1.Key) *v1alpha1.TrustedIdentity {
		obj := kube.Identity(name, "s")
		if key != nil {
			obj.Spec.Keyless, obj.Spec.Key = nil, key
		}
		obj.Spec.TrustRoot = root
		return obj
	}
	unlogged := &v1alpha1.Key{PEM: pem, TransparencyLog: v1alpha1.TransparencyLogNotRequired}
	windowed := naming("windowed", "absent", unlogged)
	windowed.Spec.Validity = &v1alpha1.Validity{NotAfter: v1alpha1.NewTime(time.Now())}
	all := []*v1alpha1.TrustedIdentity{
		naming("named", "corp", nil), naming("default", "default", nil), naming("absent", "absent", nil),
		naming("key", "absent", &v1alpha1.Key{PEM: pem}), naming("unlogged", "absent", unlogged), windowed,
	}
	objects := []client.Object{kube.TrustRoot("corp", v1alpha1.TrustRootSpec{})}
	for _, obj := range all {
		objects = append(objects, obj)
	}
	c := kube.Cluster(t, interceptor.Funcs{}, objects...)
	if err := reconcile(t, c); err != nil {
		t.Fatal(err)
	}
	const missing = "the TrustRoot absent does not exist"
	want := map[string]string{"named": "", "default": "", "absent": missing, "key": missing, "unlogged": "", "windowed": missing}
	for _, obj := range all {
		got := kube.ReadyOf(t, c, obj)
		if why := want[obj.Name]; (got.Status == "True") != (why == "") || why != "" && got.Message != why {
			t.Errorf("%s: %+v", obj.Name, got)
		}
	}
}
