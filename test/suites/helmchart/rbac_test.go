package helmchart_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

// TestRules: the rights are those that the code declares (files/role.yaml is generated from it), less
// what an installation does not need.
func TestRules(t *testing.T) {
	t.Parallel()
	var want struct{ cluster, own []rbacv1.PolicyRule }
	for _, role := range parse(t, read(t, chartDir+"/files/role.yaml")) {
		switch role.GetKind() {
		case "ClusterRole":
			want.cluster = get[rbacv1.ClusterRole](t, manifests{"role": role}, "role").Rules
		case "Role":
			want.own = get[rbacv1.Role](t, manifests{"role": role}, "role").Rules
		}
	}
	forCertificates := func(rule rbacv1.PolicyRule) bool {
		writesSecret := slices.Contains(rule.Resources, "secrets") && len(rule.ResourceNames) > 0
		return writesSecret || slices.Contains(rule.Resources, "validatingwebhookconfigurations")
	}
	forReports := func(rule rbacv1.PolicyRule) bool {
		return slices.Contains([]string{"openreports.io", "wgpolicyk8s.io"}, rule.APIGroups[0])
	}
	for name, values := range installations(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster, own := slices.Clone(want.cluster), slices.Clone(want.own)
			if strings.Contains(name, "cert") {
				cluster, own = slices.DeleteFunc(cluster, forCertificates), slices.DeleteFunc(own, forCertificates)
			}
			if strings.Contains(values, "reports: {enabled: false}") {
				cluster = slices.DeleteFunc(cluster, forReports)
			}
			rendered := render(t, values)
			if diff := cmp.Diff(cluster, get[rbacv1.ClusterRole](t, rendered, "ClusterRole/chartgate").Rules); diff != "" {
				t.Errorf("ClusterRole (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(own, get[rbacv1.Role](t, rendered, "Role/chartgate").Rules); diff != "" {
				t.Errorf("Role (-want +got):\n%s", diff)
			}
		})
	}
}

// TestReach: with its main role, chartgate reads no Secret cluster-wide and writes only its own
// resources' status, its own webhook configuration, reports, and Events in the namespaces of objects
// that deploy charts.
func TestReach(t *testing.T) {
	t.Parallel()
	for _, rule := range get[rbacv1.ClusterRole](t, render(t, ``), "ClusterRole/chartgate").Rules {
		if slices.Contains(slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs), "*") {
			t.Errorf("a wildcard in %v", rule)
		}
		if slices.Contains(rule.APIGroups, "") {
			t.Errorf("a rule for the core group in %v", rule)
		}
		writes := slices.ContainsFunc(rule.Verbs, func(verb string) bool { return !slices.Contains([]string{"get", "list", "watch"}, verb) })
		events := slices.Equal(rule.Resources, []string{"events"}) && slices.Equal(rule.APIGroups, []string{"events.k8s.io"})
		ownStatus := slices.Equal(rule.Resources, []string{"chartpolicies/status", "trustedidentities/status", "trustroots/status"})
		reports := slices.Equal(rule.Resources, []string{"reports"}) || slices.Equal(rule.Resources, []string{"policyreports"})
		if writes && !ownStatus && !events && !reports && !slices.Equal(rule.ResourceNames, []string{"chartgate"}) {
			t.Errorf("may write more than its own: %v", rule)
		}
	}
}

// TestViewers: those who are denied can read the policies, and change nothing.
func TestViewers(t *testing.T) {
	c := theControlPlane(t)
	c.helm("viewers: [developers]", "install", "chartgate", chartDir, "--values", "-")
	role := &rbacv1.ClusterRole{}
	c.get("chartgate-view", role)
	// The controller that aggregates roles does not run here; view is a part of edit, and edit of admin.
	if role.Labels["rbac.authorization.k8s.io/aggregate-to-view"] != "true" {
		t.Error("the role does not become a part of view")
	}
	c.kubectl("", "create", "clusterrolebinding", "viewer", "--clusterrole=chartgate-view", "--user=viewer")
	defer c.kubectl("", "delete", "clusterrolebinding", "viewer")
	c.create(c.policy("seen"))
	const kinds = "chartpolicies,trustedidentities,trustroots"
	for _, tc := range []struct {
		sentence string
		as       []string
		may      bool
	}{
		{"a user with the role", []string{"--as=viewer"}, true},
		{"a member of a group in viewers", []string{"--as=somebody", "--as-group=developers"}, true},
		{"control: a member of another group", []string{"--as=somebody", "--as-group=strangers"}, false},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			for _, args := range [][]string{{"get", kinds}, {"get", "chartpolicy", "seen", "-o", "yaml"}, {"get", "chartgate"}} {
				if _, err := c.Kubectl(t.Context(), "", append(args, tc.as...)...); (err == nil) != tc.may {
					t.Errorf("kubectl %s: %v", strings.Join(args, " "), err)
				}
			}
			for _, args := range [][]string{
				{"delete", "chartpolicy", "seen"},
				{"patch", "chartpolicy", "seen", "--type=merge", "--patch", `{"spec":{"mode":"Warn"}}`},
				{"get", "secrets", "--namespace", namespace},
			} {
				if _, err := c.Kubectl(t.Context(), "", append(args, tc.as...)...); err == nil || !strings.Contains(err.Error(), "orbidden") {
					t.Errorf("kubectl %s: %v", strings.Join(args, " "), err)
				}
			}
		})
	}
}

// rights asks the API server what chartgate's ServiceAccount may do.
func (c *controlPlane) rights() {
	c.t.Helper()
	const own, elsewhere, everywhere = namespace, "apps", ""
	for _, tc := range []struct {
		may                                      bool
		verbs, namespace, group, resources, name string
	}{
		{true, "get list watch", everywhere, "chartgate.dev", "trustedidentities chartpolicies trustroots", "x"},
		{true, "get update patch", everywhere, "chartgate.dev", "trustedidentities/status chartpolicies/status trustroots/status", "x"},
		{false, "create update patch delete", everywhere, "chartgate.dev", "trustedidentities chartpolicies trustroots", "x"},
		{true, "get list", elsewhere, "source.toolkit.fluxcd.io", "helmrepositories helmcharts ocirepositories", "x"},
		{true, "get", elsewhere, "source.toolkit.fluxcd.io", "gitrepositories buckets", "x"},
		{false, "list watch create update patch delete", elsewhere, "source.toolkit.fluxcd.io", "gitrepositories buckets", "x"},
		{true, "list watch", elsewhere, "helm.toolkit.fluxcd.io", "helmreleases", "x"},
		{true, "list", everywhere, "argoproj.io", "applications", ""},
		{false, "create update patch delete", elsewhere, "argoproj.io", "applications", "x"},
		{true, "get list create update delete", elsewhere, "openreports.io", "reports", "x"},
		{true, "get list create update delete", elsewhere, "wgpolicyk8s.io", "policyreports", "x"},
		{false, "create update patch delete", elsewhere, "helm.toolkit.fluxcd.io", "helmreleases helmreleases/status", "x"},
		{true, "list watch", everywhere, "admissionregistration.k8s.io", "validatingwebhookconfigurations", ""},
		{true, "get update patch", everywhere, "admissionregistration.k8s.io", "validatingwebhookconfigurations", "chartgate"},
		{false, "get update patch delete", everywhere, "admissionregistration.k8s.io", "validatingwebhookconfigurations", "x"},
		{true, "get list watch", own, "", "configmaps", "chartgate-identities"},
		{false, "create update patch delete", own, "", "configmaps", "chartgate-identities"},
		{false, "get list watch", elsewhere, "", "configmaps", "x"},
		{true, "get", elsewhere, "", "secrets serviceaccounts", "x"}, // what Flux logs in with
		{false, "list watch create update patch delete", elsewhere, "", "secrets serviceaccounts", "x"},
		{true, "list watch", "argocd", "", "secrets", ""}, // helm saw the namespace
		{true, "get", "argocd", "", "configmaps", "argocd-tls-certs-cm"},
		{false, "get list", "argocd", "", "configmaps", "x"},
		{true, "list watch", own, "", "secrets", ""},
		{true, "get", own, "", "secrets", "x"}, // public keys of TrustedIdentities
		{true, "get update patch", own, "", "secrets", "chartgate-certificate"},
		{true, "create", own, "", "secrets", "chartgate-certificate"}, // by a server-side apply
		{false, "create", own, "", "secrets", ""},                     // by a POST, of any name
		{false, "create update patch", own, "", "secrets", "x"},
		{false, "delete", own, "", "secrets", "chartgate-certificate"},
		{true, "get create update", own, "coordination.k8s.io", "leases", "chartgate"},
		{true, "create patch", own, "", "events", "x"},
		{true, "create patch", own, "events.k8s.io", "events", "x"},
	} {
		for _, verb := range strings.Fields(tc.verbs) {
			for _, resource := range strings.Fields(tc.resources) {
				resource, subresource, _ := strings.Cut(resource, "/")
				review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
					User: "system:serviceaccount:" + namespace + ":chartgate",
					ResourceAttributes: &authorizationv1.ResourceAttributes{
						Namespace: tc.namespace, Verb: verb, Group: tc.group, Resource: resource, Subresource: subresource, Name: tc.name,
					},
				}}
				if c.create(review); review.Status.Allowed != tc.may {
					c.t.Errorf("may %s: %t, want %t", review.Spec.ResourceAttributes, review.Status.Allowed, tc.may)
				}
			}
		}
	}
}
