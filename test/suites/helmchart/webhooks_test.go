package helmchart_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestWebhooks(t *testing.T) {
	t.Parallel()
	for name, values := range installations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := get[admissionv1.ValidatingWebhookConfiguration](t, render(t, values), "ValidatingWebhookConfiguration/chartgate")
			timeout, caBundle := int32(10), []byte(nil)
			if strings.HasPrefix(name, "everything") {
				timeout = 30
			}
			if name == "everything, with an existing certificate" {
				caBundle = []byte(someCertificate + "\n")
			}
			// Git sources that are denied reach the webhook like charts.
			ofApplications := []string{"source-changes"}
			if !strings.Contains(values, "argoGitSources: Deny") {
				ofApplications = append(ofApplications, "names-a-chart")
			}
			failure := admissionv1.Fail
			if strings.Contains(values, "mode: Warn") {
				failure = admissionv1.Ignore
			}
			want := wantWebhooks(timeout, caBundle, ofApplications, failure)
			if diff := cmp.Diff(want, got.Webhooks, cmpopts.IgnoreFields(admissionv1.MatchCondition{}, "Expression")); diff != "" {
				t.Errorf("webhooks (-want +got):\n%s", diff)
			}
			var wantAnnotations map[string]string
			if strings.Contains(name, "cert-manager") {
				wantAnnotations = map[string]string{"cert-manager.io/inject-ca-from": namespace + "/chartgate"}
			}
			if diff := cmp.Diff(wantAnnotations, got.Annotations); diff != "" {
				t.Errorf("annotations (-want +got):\n%s", diff)
			}
		})
	}
}

func named(conditions []string) []admissionv1.MatchCondition {
	var all []admissionv1.MatchCondition
	for _, name := range conditions {
		all = append(all, admissionv1.MatchCondition{Name: name})
	}
	return all
}

// wantWebhooks are both webhooks in full: other fields, selectors above all, must not exist.
func wantWebhooks(timeout int32, caBundle []byte, ofApplications []string, failure admissionv1.FailurePolicyType) []admissionv1.ValidatingWebhook {
	client := func(path string) admissionv1.WebhookClientConfig {
		return admissionv1.WebhookClientConfig{
			CABundle: caBundle,
			Service:  &admissionv1.ServiceReference{Namespace: namespace, Name: "chartgate", Path: &path, Port: new(int32(443))},
		}
	}
	rule := func(scope admissionv1.ScopeType, group, version string, resources ...string) admissionv1.RuleWithOperations {
		return admissionv1.RuleWithOperations{
			Operations: []admissionv1.OperationType{admissionv1.Create, admissionv1.Update},
			Rule:       admissionv1.Rule{APIGroups: []string{group}, APIVersions: []string{version}, Resources: resources, Scope: &scope},
		}
	}
	// The text of the conditions is not compared: TestMatchConditions of test/suites/attacks checks
	// on a real API server which writes they select.
	gate := func(name string, conditions []string, rules ...admissionv1.RuleWithOperations) admissionv1.ValidatingWebhook {
		return admissionv1.ValidatingWebhook{
			Name:                    name,
			ClientConfig:            client("/validate-charts"),
			Rules:                   rules,
			MatchConditions:         named(conditions),
			FailurePolicy:           &failure,
			MatchPolicy:             new(admissionv1.Equivalent),
			SideEffects:             new(admissionv1.SideEffectClassNoneOnDryRun),
			TimeoutSeconds:          &timeout,
			AdmissionReviewVersions: []string{"v1"},
		}
	}
	const flux, helm, argo = "source.toolkit.fluxcd.io", "helm.toolkit.fluxcd.io", "argoproj.io"
	return []admissionv1.ValidatingWebhook{
		gate("charts.chartgate.dev", []string{"spec-changes"},
			rule(admissionv1.NamespacedScope, helm, "*", "helmreleases"),
			rule(admissionv1.NamespacedScope, flux, "*", "helmrepositories", "helmcharts", "ocirepositories")),
		gate("artifacts.chartgate.dev", []string{"artifact-changes"},
			rule(admissionv1.NamespacedScope, flux, "*", "helmcharts/status", "ocirepositories/status")),
		gate("releases.chartgate.dev", []string{"chart-changes"},
			rule(admissionv1.NamespacedScope, helm, "*", "helmreleases/status")),
		gate("applications.chartgate.dev", ofApplications,
			rule(admissionv1.NamespacedScope, argo, "*", "applications", "applications/status")),
		{
			Name:         "policies.chartgate.dev",
			ClientConfig: client("/validate-policies"),
			Rules: []admissionv1.RuleWithOperations{
				rule(admissionv1.ClusterScope, "chartgate.dev", "*", "trustedidentities", "chartpolicies", "trustroots"),
				rule(admissionv1.NamespacedScope, "", "v1", "configmaps"),
			},
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": namespace}},
			MatchConditions: []admissionv1.MatchCondition{{
				Name:       "of-configmaps-only-the-identities",
				Expression: `request.resource.group != "" || request.name == "chartgate-identities"`,
			}},
			FailurePolicy:           new(admissionv1.Ignore),
			MatchPolicy:             new(admissionv1.Equivalent),
			SideEffects:             new(admissionv1.SideEffectClassNone),
			TimeoutSeconds:          new(int32(5)),
			AdmissionReviewVersions: []string{"v1"},
		}}
}
