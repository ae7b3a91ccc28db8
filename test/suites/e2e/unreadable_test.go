package e2e_test

import (
	"context"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/chartgate/chartgate/test/harness"
)

// TestTimesThatGoDoesNotRead: the format date-time takes more texts than Go, and in status nothing
// else is checked. An object that holds such a text denies what depends on it, and nothing else:
// chartgate goes on to read all other objects.
func TestTimesThatGoDoesNotRead(t *testing.T) {
	w := theSite(t)
	w.given(t, repositories())
	const dated = "{keyless: {" + anyone + "}, validity: {notAfter: '2099-01-01t00:00:00z'}}"
	w.check(t, []row{{
		sentence: "the rules of the definition refuse it",
		object:   harness.Identity("wrong", dated),
		want: invalid("TrustedIdentity", `spec.validity: Invalid value: "object": Invalid date-time formatted string 2099-01-01t00:00:00z: parsing time "2099-01-01t00:00:00z" as "2006-01-02T15:04:05": `+
			`cannot parse "t00:00:00z" as "T" evaluating rule: at least one of notBefore and notAfter must be set`, "FieldValueInvalid spec.validity"),
	}})

	const definition, rules = "trustedidentities.chartgate.dev", "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/validity/x-kubernetes-validations"
	kubectl := func(args ...string) string {
		out, err := w.Kubectl(context.Background(), "", args...)
		if err != nil {
			t.Fatal(err)
		}
		return out.Stdout
	}
	kept := kubectl("get", "crd", definition, "-o", "jsonpath={.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.validity.x-kubernetes-validations}")
	kubectl("patch", "crd", definition, "--type=json", "-p", `[{"op":"remove","path":"`+rules+`"}]`)
	t.Cleanup(func() {
		kubectl("delete", "--ignore-not-found", "chartpolicy,trustedidentity", "dated")
		kubectl("patch", "crd", definition, "--type=json", "-p", `[{"op":"add","path":"`+rules+`","value":`+kept+`}]`)
	})
	if err := w.Gate.Stop(); err != nil {
		t.Fatal(err)
	}
	err := w.ApplyText(context.Background(), harness.Identity("dated", dated)+
		harness.Policy("dated", "{match: {charts: ['oci://ghcr.io/acme/dated/**']}, require: [{anyOf: [dated]}]}"))
	if err != nil {
		t.Fatal(err)
	}
	status := client.RawPatch(types.MergePatchType, []byte(`{"status": {"conditions": [{"type": "Ready", "status": "True", "reason": "x", "message": "x", "lastTransitionTime": "2026-01-01t00:00:00z"}]}}`))
	for _, object := range []*unstructured.Unstructured{w.Object(t, harness.Identity("dated", dated)), w.Object(t, harness.Policy("dated", "{}"))} {
		if err := w.Client.Status().Patch(context.Background(), object, status); err != nil {
			t.Fatal(err)
		}
	}
	w.Restart(t)
	w.check(t, []row{
		{sentence: "a chart that has nothing to do with it", object: releaseOf("podinfo", "6.7.1")},
		{
			sentence: "a chart whose policy names it",
			object:   releaseFrom("team", "dated/app", "1.0.0"),
			want: harness.Denied("PolicyInvalid spec.chart.spec", `
HelmRelease apps/app denied (PolicyInvalid): policy dated, which matches oci://ghcr.io/acme/dated/app:1.0.0, is invalid: spec.require[0].anyOf[0]: TrustedIdentity "dated" is invalid: spec.validity.notAfter: Invalid value: "2099-01-01t00:00:00z": is not a time such as "2027-01-01T00:00:00Z"
  where:    spec.chart.spec
  policy:   dated cannot be evaluated
  next:     ask the platform team to fix the policy; its Ready condition says the same`),
		},
	})
	harness.Eventually(t, func() string {
		identity := w.Stored(t, w.Object(t, harness.Identity("dated", "{}")))
		conditions, _, _ := unstructured.NestedSlice(identity.Object, "status", "conditions")
		if len(conditions) != 1 {
			return "no condition"
		}
		ready, _ := conditions[0].(map[string]any)
		if ready["status"] != string(metav1.ConditionFalse) || !strings.Contains(ready["message"].(string), "spec.validity.notAfter") {
			return ready["message"].(string)
		}
		return ""
	})
}
