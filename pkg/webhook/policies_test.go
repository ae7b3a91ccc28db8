package webhook_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	"sigs.k8s.io/yaml"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/policy"
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
		{"an identity without a key or a certificate", "TrustedIdentity", `spec: {}`, false, "TrustedIdentity x denied (PolicyInvalid): "},
		{"an identity with a broken expression", "TrustedIdentity", `spec: {keyless: {issuer: "https://i.example", subjectRegExp: "("}}`, false, "spec.keyless.subjectRegExp"},
		{"an identity with a private key", "TrustedIdentity", "spec: {key: {pem: \"-----BEGIN PRIVATE KEY-----\\nAA==\\n-----END PRIVATE KEY-----\\n\"}}", false, "PRIVATE KEY"},
		{"an identity of another type", "TrustedIdentity", `spec: 1`, false, "TrustedIdentity x denied (PolicyInvalid): spec: must be a map of fields, and is a number"},
		{"an identity with a TrustRoot", "TrustedIdentity", `spec: {keyless: {issuer: "https://i.example", subject: s}, trustRoot: corp}`, true, ""},
		{"an identity with the TrustRoot that is built in", "TrustedIdentity", `spec: {keyless: {issuer: "https://i.example", subject: s}, trustRoot: default}`, true, ""},
		{"an identity with a TrustRoot that does not exist", "TrustedIdentity", `spec: {keyless: {issuer: "https://i.example", subject: s}, trustRoot: later}`, true, "until TrustRoot later exists, signatures by the identity that need a trust root are denied"},
		{"a TrustRoot", "TrustRoot", `spec: {trustedRoot: good}`, true, ""},
		{"a TrustRoot with a mistake", "TrustRoot", `spec: {trustedRoot: bad}`, false, "TrustRoot x denied (PolicyInvalid): spec.trustedRoot: it is bad"},
		{"a TrustRoot of another type", "TrustRoot", `spec: {tuf: 1}`, false, "spec.tuf: must be a map of fields, and is a number"},
		{"a policy", "ChartPolicy", policyOf + "require: [{anyOf: [known]}]}", true, ""},
		{"a policy that names unknown identities", "ChartPolicy", policyOf + "require: [{anyOf: [known, a]}, {anyOf: [b, a]}]}", true, "until TrustedIdentity a, b exists, the policy denies every chart that it matches"},
		{"a policy that requires nothing", "ChartPolicy", policyOf + "require: []}", false, "ChartPolicy x denied (PolicyInvalid): "},
		{"a policy with a broken pattern", "ChartPolicy", `spec: {match: {charts: ["ghcr.io/**"]}, require: [{anyOf: [known]}]}`, false, "ghcr.io"},
		{"a waiver", "ChartPolicy", policyOf + `allowUnverified: {reason: x, until: "2099-01-31"}}`, true, ""},
		{"a waiver that never ends", "ChartPolicy", policyOf + `allowUnverified: {reason: x, until: never}}`, false, "never"},
		{"a waiver that has ended", "ChartPolicy", policyOf + `allowUnverified: {reason: x, until: "2026-12-31"}}`, true, "spec.allowUnverified.until: 2026-12-31 has passed, so the policy denies every chart that it matches"},
		{"an exclusion of everything", "ChartPolicy", `spec: {match: {charts: ["oci://ghcr.io/acme/**"], exclude: ["oci://ghcr.io/**"]}, require: [{anyOf: [known]}]}`, false, "spec.match.exclude[0]: Invalid value"},
		{"an issuer with a slash", "TrustedIdentity", `spec: {keyless: {issuer: "https://gitlab.com/", subject: s}}`, false, "write that\n  where:    spec.keyless.issuer\n"},
		{"a time without a zone", "TrustedIdentity", `spec: {keyless: {issuer: "https://i.example", subject: s}, validity: {notAfter: "2027-01-31"}}`, false, `spec.validity.notAfter: Invalid value: "2027-01-31": is not a time such as "2027-01-01T00:00:00Z"`},
		{"a ConfigMap with an issuer with a slash", "ConfigMap", configMap(strings.Replace(list, "https://i.example", "https://gitlab.com/", 1)), false, "data[identities.yaml][0].keyless.issuer"},
		{"a ConfigMap with a classic repository", "ConfigMap", configMap(strings.Replace(list, "oci://", "https://", 1)), true, "data[identities.yaml][0].charts[0]: "},
		{"a policy of another type", "ChartPolicy", `spec: {match: 1}`, false, "spec.match: must be a map of fields, and is a number"},
		{"a ConfigMap", "ConfigMap", configMap(list), true, ""},
		{"a ConfigMap with a typo", "ConfigMap", configMap(strings.Replace(list, "charts", "chart", 1)), false, "chart"},
		{"a ConfigMap without the key", "ConfigMap", `data: {identities.yml: ""}`, false, "data[identities.yaml]: Required value"},
		{"a ConfigMap that is no list", "ConfigMap", configMap("a: b"), false, "data[identities.yaml]: must be a list, and is a map of fields"},
		{"a kind that is no policy", "Secret", `{}`, false, `chartgate does not know the kind "Secret"`},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			got := newPolicies(t).Handle(t.Context(), policyRequest(t, c.kind, c.body))
			text := strings.Join(got.Warnings, "\n")
			if !got.Allowed {
				text = got.Result.Message
			}
			if got.Allowed != c.allowed || !strings.Contains(text, c.says) || c.says == "" && text != "" {
				t.Errorf("allowed %t: %q", got.Allowed, text)
			}
			if got.Allowed {
				return
			}
			want := metav1.Status{Code: 422, Reason: metav1.StatusReasonInvalid}
			if strings.Contains(text, "does not know") {
				want = metav1.Status{Code: 403, Reason: metav1.StatusReasonForbidden}
			}
			if got.Result.Code != want.Code || got.Result.Reason != want.Reason || len(got.Result.Details.Causes) != 1 || got.Result.Details.Causes[0].Type != "PolicyInvalid" {
				t.Errorf("%+v", got.Result)
			}
			for _, internal := range []string{"json:", "Go ", "unmarshal", "v1alpha1."} {
				if strings.Contains(text, internal) {
					t.Errorf("%q is shown: %s", internal, text)
				}
			}
		})
	}
}

func newPolicies(t *testing.T) *webhook.Policies {
	t.Helper()
	return webhook.NewPolicies(webhook.PolicyChecks{
		Stored: func() policy.Input {
			return policy.Input{Identities: []v1alpha1.TrustedIdentity{{ObjectMeta: metav1.ObjectMeta{Name: "known"}}}}
		},
		Now:             func() time.Time { return time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC) },
		KnownTrustRoots: func() []string { return []string{"corp"} },
		CheckTrustRoot: func(obj v1alpha1.TrustRoot) field.ErrorList {
			if obj.Spec.TrustedRoot != "good" {
				return field.ErrorList{field.Invalid(field.NewPath("spec", "trustedRoot"), field.OmitValueType{}, "it is bad")}
			}
			return nil
		},
	})
}

// Each mistake is a cause at its field, which is what kubectl prints.
func TestMistakesAreReportedAtTheirFields(t *testing.T) {
	req := policyRequest(t, "ChartPolicy", `spec: {match: {charts: ["oci://ghcr.io/acme/**", "ghcr.io/**"]}, mode: "off", require: [{anyOf: []}]}`)
	req.Kind.Group = v1alpha1.Group
	got := newPolicies(t).Handle(t.Context(), req)
	want := &metav1.Status{
		Status: metav1.StatusFailure, Code: 422, Reason: metav1.StatusReasonInvalid,
		Message: `ChartPolicy x denied (PolicyInvalid): spec.match.charts[1]: Invalid value: "ghcr.io/**": must start with oci://, https://, http://, git:// or bucket://; ` +
			`spec.mode: Unsupported value: "off": supported values: "Enforce", "Warn"; spec.require[0].anyOf: Required value: at least one TrustedIdentity must be named
  where:    spec.match.charts[1], spec.mode, spec.require[0].anyOf
  next:     correct the field and apply again`,
		Details: &metav1.StatusDetails{Group: "chartgate.dev", Kind: "ChartPolicy", Name: "x", Causes: []metav1.StatusCause{
			{Type: "PolicyInvalid", Field: "spec.match.charts[1]", Message: `Invalid value: "ghcr.io/**": must start with oci://, https://, http://, git:// or bucket://`},
			{Type: "PolicyInvalid", Field: "spec.mode", Message: `Unsupported value: "off": supported values: "Enforce", "Warn"`},
			{Type: "PolicyInvalid", Field: "spec.require[0].anyOf", Message: `Required value: at least one TrustedIdentity must be named`},
		}},
	}
	if diff := cmp.Diff(want, got.Result); diff != "" || got.Allowed {
		t.Error(diff)
	}
}

// What is stored already with a mistake can be changed in another field, and said so; the mistake
// itself cannot be made again.
func TestStoredMistakes(t *testing.T) {
	const mistake = `metadata: {labels: {a: b}}
spec: {keyless: {issuer: "https://gitlab.com/", subject: s}}`
	for old, allowed := range map[string]bool{
		`spec: {keyless: {issuer: "https://gitlab.com/", subject: other}}`: true,
		`spec: {keyless: {issuer: "https://gitlab.com", subject: s}}`:      false,
		`spec: 1`: false,
	} {
		req := policyRequest(t, "TrustedIdentity", mistake)
		req.Operation, req.OldObject = admissionv1.Update, policyRequest(t, "TrustedIdentity", old).Object
		got := newPolicies(t).Handle(t.Context(), req)
		if got.Allowed != allowed || allowed && len(got.Warnings) != 1 {
			t.Errorf("%s: %+v", old, got)
		}
	}
}

// An operation that chartgate does not check is denied, and an old object never stands in the way
// of a new one.
func TestPoliciesByOperation(t *testing.T) {
	good := `spec: {keyless: {issuer: "https://i.example", subject: s}}`
	for operation, allowed := range map[admissionv1.Operation]bool{
		admissionv1.Create: true, admissionv1.Update: true, admissionv1.Delete: false, admissionv1.Connect: false, "": false, "create": false,
	} {
		req := policyRequest(t, "TrustedIdentity", good)
		req.Operation, req.OldObject.Raw = operation, []byte(`{"spec":1}`)
		if got := newPolicies(t).Handle(t.Context(), req); got.Allowed != allowed {
			t.Errorf("%q: %+v", operation, got)
		}
	}
	bad := policyRequest(t, "TrustedIdentity", `spec: {}`)
	bad.Operation, bad.OldObject = admissionv1.Update, policyRequest(t, "TrustedIdentity", good).Object
	if got := newPolicies(t).Handle(t.Context(), bad); got.Allowed {
		t.Error("the new object was not checked")
	}
}

// The same through the handler that the API server talks to.
func TestPoliciesOverHTTP(t *testing.T) {
	p := newPolicies(t)
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
