package policystore_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/keys"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/policystore"
	"github.com/chartgate/chartgate/test/fixtures/kube"
)

const goodList = `- {name: listed, charts: ["oci://ghcr.io/listed/**"], keyless: {issuer: "https://issuer.example", subject: s}}`

// storeOf reads from c, and from no KMS.
func storeOf(c client.Client) *policystore.Store {
	return policystore.New(c, kube.Identities, keys.NewReader(keys.Config{Secrets: c, Namespace: kube.Namespace, Refresh: keys.DefaultRefresh}))
}

func TestStore(t *testing.T) {
	const acme = "acme: acme requires a signature by release (subject release@acme.example, issuer https://issuer.example)"
	list := func(text string) client.Object {
		return kube.ConfigMap(kube.Identities.Name, map[string]string{policy.IdentitiesKey: text})
	}
	for _, c := range []struct {
		sentence   string
		objects    []client.Object
		want       []string
		identities []string
	}{
		{"a cluster without policies has a set that matches nothing", nil, nil, []string{}},
		{"a policy is in force", []client.Object{kube.Identity("release", "release@acme.example"), kube.Policy("acme", "release")}, []string{acme}, []string{"release"}},
		{"a ConfigMap is in force", []client.Object{list(goodList)}, []string{"listed: the identities ConfigMap requires a signature by listed (subject s, issuer https://issuer.example)"}, []string{}},
		{"a ConfigMap without the key is ignored", []client.Object{kube.ConfigMap(kube.Identities.Name, map[string]string{"other": "x"})}, nil, []string{}},
		{"a ConfigMap of another name is ignored", func() []client.Object {
			other := kube.ConfigMap(kube.Identities.Name, map[string]string{policy.IdentitiesKey: goodList})
			other.Name = "other"
			return []client.Object{other}
		}(), nil, []string{}},
		{"an empty ConfigMap key is an empty list", []client.Object{list("")}, nil, []string{}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			s := storeOf(kube.Cluster(t, interceptor.Funcs{}, c.objects...))
			if _, err := s.Reconcile(t.Context(), ctrl.Request{}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, kube.Wants(t, s.Current(), "acme", "listed")); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.identities, names(s)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// An invalid ConfigMap denies every chart until it is fixed.
func TestInvalidConfigMap(t *testing.T) {
	s := storeOf(kube.Cluster(t, interceptor.Funcs{}, kube.ConfigMap(kube.Identities.Name, map[string]string{policy.IdentitiesKey: "- {nam: x}"})))
	if _, err := s.Reconcile(t.Context(), ctrl.Request{}); err != nil {
		t.Fatal(err)
	}
	location, _ := chart.ParseLocation("oci://anywhere.example/x")
	if matching := s.Current().For(location).Policies(); len(matching) != 1 {
		t.Errorf("%d policies match a chart that nothing should admit", len(matching))
	}
}

// A replica becomes ready with a valid ConfigMap, or none, and then stays ready.
func TestReadinessAndTheConfigMap(t *testing.T) {
	const good, bad = goodList, "- {nam: x}"
	for _, c := range []struct {
		sentence string
		texts    []string // one after the other; "" for no ConfigMap
		ready    []bool
	}{
		{"an invalid ConfigMap at the start keeps the replica from becoming ready", []string{bad, bad}, []bool{false, false}},
		{"a fixed one lets it become ready", []string{bad, good}, []bool{false, true}},
		{"a deleted one, too", []string{bad, ""}, []bool{false, true}},
		{"a replica that was ready stays it", []string{good, bad, bad}, []bool{true, true, true}},
		{"also if it was ready without a ConfigMap", []string{"", bad}, []bool{true, true}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			cluster := kube.Cluster(t, interceptor.Funcs{})
			s := storeOf(cluster)
			for i, text := range c.texts {
				configMap := kube.ConfigMap(kube.Identities.Name, map[string]string{policy.IdentitiesKey: text})
				if err := client.IgnoreNotFound(cluster.Delete(t.Context(), configMap.DeepCopyObject().(client.Object))); err != nil {
					t.Fatal(err)
				}
				if text != "" {
					if err := cluster.Create(t.Context(), configMap); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := s.Reconcile(t.Context(), ctrl.Request{}); err != nil {
					t.Fatal(err)
				}
				err := s.Ready(nil)
				if (err == nil) != c.ready[i] {
					t.Errorf("after %q: %v", text, err)
				}
				if want := "the ConfigMap " + kube.Identities.String() + ` is invalid: data[identities.yaml][0].nam: `; err != nil && !strings.HasPrefix(err.Error(), want) {
					t.Errorf("got %q, want %q", err, want)
				}
			}
		})
	}
}

func TestNothingIsInForceBeforeTheFirstLoad(t *testing.T) {
	s := storeOf(kube.Cluster(t, interceptor.Funcs{}))
	if s.Current() != nil || len(names(s)) > 0 {
		t.Error("there are policies before the first load")
	}
	if s.Ready(nil) == nil {
		t.Error("ready without policies")
	}
	if _, err := s.Reconcile(t.Context(), ctrl.Request{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Ready(nil); err != nil {
		t.Error(err)
	}
}

func TestChangesReplaceTheSet(t *testing.T) {
	c := kube.Cluster(t, interceptor.Funcs{}, kube.Identity("release", "release@acme.example"), kube.Policy("acme", "release"))
	s := storeOf(c)
	if _, err := s.Reconcile(t.Context(), ctrl.Request{}); err != nil {
		t.Fatal(err)
	}
	before := s.Current()
	for _, o := range []client.Object{kube.Identity("ops", "ops@acme.example"), kube.Policy("ops", "ops")} {
		if err := c.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Delete(t.Context(), kube.Policy("acme")); err != nil {
		t.Fatal(err)
	}
	if s.Current() != before {
		t.Error("the set changed before a load")
	}
	if _, err := s.Reconcile(t.Context(), ctrl.Request{}); err != nil {
		t.Fatal(err)
	}
	want := []string{"ops: ops requires a signature by ops (subject ops@acme.example, issuer https://issuer.example)"}
	if diff := cmp.Diff(want, kube.Wants(t, s.Current(), "acme", "ops")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"ops", "release"}, slices.Sorted(slices.Values(names(s)))); diff != "" {
		t.Error(diff)
	}
}

// The state follows what policies are made from, and nothing else.
func TestState(t *testing.T) {
	c := kube.Cluster(t, interceptor.Funcs{}, kube.Identity("release", "release@acme.example"), kube.Policy("acme", "release"), kube.Policy("zeta", "release"))
	s := storeOf(c)
	if s.State() != "" {
		t.Error("there is a state before the first load")
	}
	load := func() string {
		if _, err := s.Reconcile(t.Context(), ctrl.Request{}); err != nil {
			t.Fatal(err)
		}
		return s.State()
	}
	identity, policy := kube.Identity("release", ""), kube.Policy("acme", "")
	for _, c := range []struct {
		sentence string
		change   func() error
		same     bool
	}{
		{"nothing", func() error { return nil }, true},
		{"a label of a policy", func() error {
			return errors.Join(c.Get(t.Context(), client.ObjectKeyFromObject(policy), policy), c.Update(t.Context(), labelled(policy)))
		}, true},
		{"an identity's subject", func() error {
			err := c.Get(t.Context(), client.ObjectKeyFromObject(identity), identity)
			identity.Spec.Keyless.Subject = "other@acme.example"
			return errors.Join(err, c.Update(t.Context(), identity))
		}, false},
		{"a policy that is deleted", func() error { return c.Delete(t.Context(), kube.Policy("acme")) }, false},
		{"a ConfigMap that is created", func() error {
			return c.Create(t.Context(), kube.ConfigMap(kube.Identities.Name, map[string]string{"identities.yaml": goodList}))
		}, false},
		{"an identity with a key in a Secret", func() error {
			keyed := kube.Identity("keyed", "")
			keyed.Spec = v1alpha1.TrustedIdentitySpec{Key: &v1alpha1.Key{SecretRef: &v1alpha1.SecretKeyReference{Name: "key"}}}
			return c.Create(t.Context(), keyed)
		}, false},
		{"the Secret of the key", func() error {
			return c.Create(t.Context(), &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Namespace: kube.Namespace, Name: "key"}, Data: map[string][]byte{"cosign.pub": []byte("x")},
			})
		}, false},
	} {
		before := load()
		if err := c.change(); err != nil {
			t.Fatal(err)
		}
		if after := load(); (after == before) != c.same || after == "" {
			t.Errorf("%s: %s, then %s", c.sentence, before, after)
		}
	}
}

func labelled(p *v1alpha1.ChartPolicy) *v1alpha1.ChartPolicy {
	p.Labels = map[string]string{"team": "a"}
	return p
}

// An API server that fails must not leave a cluster without policies, or with some
// of them only.
func TestErrorsKeepThePreviousSet(t *testing.T) {
	fail := func(what string) interceptor.Funcs {
		return interceptor.Funcs{
			List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
				_, isIdentity := list.(*v1alpha1.TrustedIdentityList)
				if isIdentity == (what == "identities") && what != "ConfigMap" {
					return kube.ErrInjected
				}
				return c.List(ctx, list, opts...)
			},
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
				if what == "ConfigMap" {
					return kube.ErrInjected
				}
				return c.Get(ctx, key, o, opts...)
			},
		}
	}
	for _, what := range []string{"identities", "policies", "ConfigMap"} {
		t.Run(what, func(t *testing.T) {
			broken := false
			funcs := fail(what)
			c := kube.Cluster(t, interceptor.Funcs{
				List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
					if broken {
						return funcs.List(ctx, c, list, opts...)
					}
					return c.List(ctx, list, opts...)
				},
				Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
					if broken {
						return funcs.Get(ctx, c, key, o, opts...)
					}
					return c.Get(ctx, key, o, opts...)
				},
			}, kube.Identity("release", "release@acme.example"), kube.Policy("acme", "release"))
			s := storeOf(c)
			if _, err := s.Reconcile(t.Context(), ctrl.Request{}); err != nil {
				t.Fatal(err)
			}
			before := s.Current()
			broken = true
			if _, err := s.Reconcile(t.Context(), ctrl.Request{}); err == nil {
				t.Error("no error, so the load would not be tried again")
			}
			if s.Current() != before || len(names(s)) != 1 || s.Ready(nil) != nil {
				t.Error("the previous set is gone")
			}
		})
	}
}

// names returns the names of the identities that s has stored.
func names(s *policystore.Store) []string {
	all := []string{}
	for _, obj := range s.Stored().Identities {
		all = append(all, obj.Name)
	}
	return all
}
