package webhook_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	"sigs.k8s.io/yaml"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/webhook"
)

func policyRequest(t *testing.T, kind, body string) admission.Request {
	t.Helper()
	raw, err := yaml.YAMLToJSON([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{
		UID: "1", Operation: admissionv1.Create, Name: "x", Kind: metav1.GroupVersionKind{Kind: kind}, Object: runtime.RawExtension{Raw: raw},
	}}
}

// What a platform team writes is checked while they look.
func TestPolicies(t *testing.T) {
	const policyOf = "spec: {match: {charts: [\"oci://ghcr.io/acme/**\"]}, "
	const list = `- {name: a, charts: ["oci://ghcr.io/**"], keyless: {issuer: "https://i.example", subject: s}}`
	configMap := func(text string) string {
		raw, _ := json.Marshal(text)
		return "data: {identities.yaml: " + string(raw) + "}"
	}
	for _, c := range []struct {
		sentence, kind, body string
		allowed              bool
		says                 string // part of the message or of the only warning
	}{
		{"an identity", "TrustedIdentity", `spec: {keyless: {issuer: "https://i.example", subject: s}}`, true, ""},
		{"an identity that is nobody", "TrustedIdentity", `spec: {}`, false, "TrustedIdentity x denied (PolicyInvalid): "},
		{"an identity with a broken expression", "TrustedIdentity", `spec: {keyless: {issuer: "https://i.example", subjectRegExp: "("}}`, false, "subjectRegExp"},
		{"an identity with a private key", "TrustedIdentity", "spec: {key: {pem: \"-----BEGIN PRIVATE KEY-----\\nAA==\\n-----END PRIVATE KEY-----\\n\"}}", false, "PRIVATE KEY"},
		{"an identity of another type", "TrustedIdentity", `spec: 1`, false, "read the object"},
		{"an identity with a TrustRoot", "TrustedIdentity", `spec: {keyless: {issuer: "https://i.example", subject: s}, trustRoot: corp}`, true, ""},
		{"an identity with the TrustRoot that is built in", "TrustedIdentity", `spec: {keyless: {issuer: "https://i.example", subject: s}, trustRoot: default}`, true, ""},
		{"an identity with a TrustRoot that does not exist", "TrustedIdentity", `spec: {keyless: {issuer: "https://i.example", subject: s}, trustRoot: later}`, true, "until TrustRoot later exists, signatures by the identity that need a trust root are denied"},
		{"a TrustRoot", "TrustRoot", `spec: {trustedRoot: good}`, true, ""},
		{"a TrustRoot that is none", "TrustRoot", `spec: {trustedRoot: bad}`, false, "TrustRoot x denied (PolicyInvalid): it is bad"},
		{"a TrustRoot of another type", "TrustRoot", `spec: {tuf: 1}`, false, "read the object"},
		{"a policy", "ChartPolicy", policyOf + "require: [{anyOf: [known]}]}", true, ""},
		{"a policy that asks for somebody unknown", "ChartPolicy", policyOf + "require: [{anyOf: [known, a]}, {anyOf: [b, a]}]}", true, "until TrustedIdentity a, b exists, the policy denies every chart that it matches"},
		{"a policy that requires nothing", "ChartPolicy", policyOf + "require: []}", false, "ChartPolicy x denied (PolicyInvalid): "},
		{"a policy with a broken pattern", "ChartPolicy", `spec: {match: {charts: ["ghcr.io/**"]}, require: [{anyOf: [known]}]}`, false, "ghcr.io"},
		{"a waiver", "ChartPolicy", policyOf + `allowUnverified: {reason: x, until: "2099-01-31"}}`, true, ""},
		{"a waiver that never ends", "ChartPolicy", policyOf + `allowUnverified: {reason: x, until: never}}`, false, "never"},
		{"a policy of another type", "ChartPolicy", `spec: {match: 1}`, false, "read the object"},
		{"a ConfigMap", "ConfigMap", configMap(list), true, ""},
		{"a ConfigMap with a typo", "ConfigMap", configMap(strings.Replace(list, "charts", "chart", 1)), false, "chart"},
		{"a ConfigMap without the key", "ConfigMap", `data: {identities.yml: ""}`, false, "the key identities.yaml is missing"},
		{"a ConfigMap that is no list", "ConfigMap", configMap("a: b"), false, "identities.yaml"},
		{"a kind that is no policy", "Secret", `{}`, false, `chartgate does not know the kind "Secret"`},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			p := &webhook.Policies{
				KnownIdentities: func() []string { return []string{"known"} },
				KnownTrustRoots: func() []string { return []string{"corp"} },
				CheckTrustRoot: func(obj v1alpha1.TrustRoot) error {
					if obj.Spec.TrustedRoot != "good" {
						return errors.New("it is bad")
					}
					return nil
				},
			}
			got := p.Handle(t.Context(), policyRequest(t, c.kind, c.body))
			text := strings.Join(got.Warnings, "\n")
			if !got.Allowed {
				text = got.Result.Message
			}
			if got.Allowed != c.allowed || !strings.Contains(text, c.says) || c.says == "" && text != "" {
				t.Errorf("allowed %t: %q", got.Allowed, text)
			}
			if !got.Allowed && (got.Result.Code != 403 || got.Result.Reason != metav1.StatusReasonForbidden || len(got.Result.Details.Causes) != 1 || got.Result.Details.Causes[0].Type != "PolicyInvalid") {
				t.Errorf("%+v", got.Result)
			}
		})
	}
}

// The same through the handler that the API server talks to.
func TestPoliciesOverHTTP(t *testing.T) {
	p := &webhook.Policies{KnownIdentities: func() []string { return nil }}
	got := map[string]bool{}
	for name, body := range map[string]string{
		"good": reviewOf(t, "v1", policyRequest(t, "TrustedIdentity", `spec: {keyless: {issuer: "https://i.example", subject: s}}`)),
		"bad":  reviewOf(t, "v1", policyRequest(t, "TrustedIdentity", `spec: {}`)),
		"none": `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}`,
	} {
		got[name] = postTo(t, "10s", webhook.NewBodies(logr.Discard()).Policies(p), "application/json", body).Response.Allowed
	}
	if diff := cmp.Diff(map[string]bool{"good": true, "bad": false, "none": false}, got); diff != "" {
		t.Error(diff)
	}
}
