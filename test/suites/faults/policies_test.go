package faults_test

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/keys"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/policystore"
	"github.com/chartgate/chartgate/pkg/verdict"
	"github.com/chartgate/chartgate/test/harness"
)

// listed is a good ConfigMap.
const listed = "- {name: acme, charts: [\"oci://HOST/acme/**\"], keyless: {issuer: \"https://issuer.example\", subject: release@acme.example}}\n"

// loaded gives the webhook the product's own policy store, which has not loaded policies yet.
func loaded(into **policystore.Store) func(*setting) {
	return func(s *setting) {
		s.policies = func(t *testing.T, w *world) gate.Policies {
			in := w.policies()
			list := w.local(listed)
			in.ConfigMap = &list
			w.serve(in)
			reader := keys.NewReader(keys.Config{Secrets: w.api.reader(t), Namespace: "chartgate-system", Refresh: keys.DefaultRefresh}) // no policy here names one elsewhere
			*into = policystore.New(w.api.reader(t), types.NamespacedName{Namespace: "chartgate-system", Name: "chartgate-identities"}, reader)
			return *into
		}
	}
}

// serve puts policies into the API server.
func (w *world) serve(in policy.Input) {
	w.api.Put("/apis/chartgate.dev/v1alpha1/chartpolicies", v1alpha1.ChartPolicyList{
		TypeMeta: metav1.TypeMeta{APIVersion: "chartgate.dev/v1alpha1", Kind: "ChartPolicyList"}, Items: in.Policies,
	})
	w.api.Put("/apis/chartgate.dev/v1alpha1/trustedidentities", v1alpha1.TrustedIdentityList{
		TypeMeta: metav1.TypeMeta{APIVersion: "chartgate.dev/v1alpha1", Kind: "TrustedIdentityList"}, Items: in.Identities,
	})
	const path = "/api/v1/namespaces/chartgate-system/configmaps/chartgate-identities"
	if in.ConfigMap == nil {
		w.api.Remove(path)
		return
	}
	w.api.Put(path, corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "chartgate-system", Name: "chartgate-identities"},
		Data:       map[string]string{policy.IdentitiesKey: *in.ConfigMap},
	})
}

// load loads the policies within that time.
func load(t *testing.T, limit time.Duration, store *policystore.Store) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	_, err := store.Reconcile(ctx, ctrl.Request{})
	return err
}

// TestUnreadablePolicies: before the first load every chart is denied, and no registry is asked;
// afterwards a load that fails changes nothing.
func TestUnreadablePolicies(t *testing.T) {
	for what, path := range map[string]string{
		"the list of ChartPolicies":     `/chartpolicies$`,
		"the list of TrustedIdentities": `/trustedidentities$`,
		"the identities ConfigMap":      `/configmaps/chartgate-identities$`,
	} {
		for i, c := range columns() {
			// The API server is believed when it answers with JSON, and an absent ConfigMap is a
			// valid state.
			if dependencies()[len(dependencies())-1].reason[i] == na || what == "the identities ConfigMap" && c.what == "is not there" {
				continue
			}
			t.Run(what+" "+c.what, func(t *testing.T) {
				t.Parallel()
				var store *policystore.Store
				w := newWorld(t, loaded(&store))
				w.bundle(t, "acme/podinfo", w.push(t, "acme/podinfo"))
				release := w.application("acme/podinfo", "1.0.0")
				w.api.Fail(path, c.fault(t))
				if err := load(t, time.Second/2, store); err == nil {
					t.Error("the load did not fail")
				}
				mustDeny(t, verdict.InternalError, w.ask(t, release, longestTimeout))
				if asked := w.registry.Requests(); len(asked) > 0 {
					t.Errorf("the registry was asked: %v", asked)
				}
				w.heal()
				until(t, "the policies are loaded", func() bool { return load(t, harness.Patience, store) == nil })
				mustAdmit(t, w.ask(t, release, longestTimeout))
				w.api.Fail(path, c.fault(t))
				if err := load(t, time.Second/2, store); err == nil {
					t.Error("the second load did not fail")
				}
				mustAdmit(t, w.ask(t, release, longestTimeout))
				mustDeny(t, verdict.NoPolicy, w.ask(t, w.application("elsewhere/podinfo", "1.0.0"), longestTimeout))
			})
		}
	}
}

// TestBrokenPolicies: they deny the charts that they match; a broken ConfigMap denies all.
func TestBrokenPolicies(t *testing.T) {
	text := func(s string) *string { return &s }
	for _, c := range []struct {
		sentence string
		change   func(*world, *policy.Input)
		want     verdict.Reason
	}{
		{"there is no policy", func(_ *world, in *policy.Input) { *in = policy.Input{} }, verdict.NoPolicy},
		{"the identity does not exist", func(_ *world, in *policy.Input) { in.Identities = nil }, verdict.PolicyInvalid},
		{"the identity is empty", func(_ *world, in *policy.Input) { in.Identities[0].Spec = v1alpha1.TrustedIdentitySpec{} }, verdict.PolicyInvalid},
		{"the identity's expression does not compile", func(_ *world, in *policy.Input) {
			in.Identities[0].Spec.Keyless = &v1alpha1.Keyless{Issuer: "https://issuer.example", SubjectRegExp: "("}
		}, verdict.PolicyInvalid},
		{"the identity's key is garbage", func(_ *world, in *policy.Input) {
			in.Identities[0].Spec = v1alpha1.TrustedIdentitySpec{Key: &v1alpha1.Key{PEM: "garbage"}}
		}, verdict.PolicyInvalid},
		{"nothing is required", func(_ *world, in *policy.Input) { in.Policies[0].Spec.Require = nil }, verdict.PolicyInvalid},
		{"a requirement names no identity", func(_ *world, in *policy.Input) { in.Policies[0].Spec.Require[0].AnyOf = nil }, verdict.PolicyInvalid},
		{"the mode is unknown", func(_ *world, in *policy.Input) { in.Policies[0].Spec.Mode = "Wran" }, verdict.PolicyInvalid},
		{"a good policy stands beside a broken one", func(w *world, in *policy.Input) {
			in.Policies = append(in.Policies, w.policy("broken", "oci://HOST/acme/**", "Loose"))
		}, verdict.PolicyInvalid},
		{"the ConfigMap is empty", func(_ *world, in *policy.Input) { *in = policy.Input{ConfigMap: text("")} }, verdict.NoPolicy},
		{"the ConfigMap is garbage", func(_ *world, in *policy.Input) { in.ConfigMap = text("<html>\x00") }, verdict.PolicyInvalid},
		{"the ConfigMap is cut off", func(_ *world, in *policy.Input) { in.ConfigMap = text(listed[:len(listed)-20]) }, verdict.PolicyInvalid},
		{"the ConfigMap has an unknown field", func(_ *world, in *policy.Input) {
			in.ConfigMap = text(strings.Replace(listed, "name: acme", "name: acme, mode: Warn", 1))
		}, verdict.PolicyInvalid},
		{"the ConfigMap is as large as can be, and its last entry is broken", func(_ *world, in *policy.Input) {
			entry := strings.Replace(listed, "name: acme", "name: one-of-many", 1)
			in.ConfigMap = text(strings.Repeat(entry, 7_000))
		}, verdict.PolicyInvalid},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			t.Parallel()
			var store *policystore.Store
			w := newWorld(t, loaded(&store))
			w.bundle(t, "acme/podinfo", w.push(t, "acme/podinfo"))
			in := w.policies()
			c.change(w, &in)
			if in.ConfigMap != nil {
				*in.ConfigMap = w.local(*in.ConfigMap)
			}
			w.serve(in)

			if _, err := store.Reconcile(t.Context(), ctrl.Request{}); err != nil {
				t.Fatal(err)
			}
			mustDeny(t, c.want, w.ask(t, w.application("acme/podinfo", "1.0.0"), longestTimeout))
			if asked := w.registry.Requests(); len(asked) > 0 {
				t.Errorf("the registry was asked: %v", asked)
			}
		})
	}
}
