package webhook

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	"sigs.k8s.io/json"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// Policies answers AdmissionReviews of chartgate's own resources and ConfigMap, so
// that a mistake is told to who makes it. It guards nothing: what does not compile
// denies the charts that it matches, however it got into the cluster.
type Policies struct {
	// KnownIdentities returns the names of the TrustedIdentities that exist.
	KnownIdentities func() []string
	// KnownTrustRoots returns the names of the TrustRoots that exist.
	KnownTrustRoots func() []string
	// CheckTrustRoot returns what is wrong with a TrustRoot as it is written.
	CheckTrustRoot func(v1alpha1.TrustRoot) error
}

// Handle checks one object.
func (p *Policies) Handle(_ context.Context, req admission.Request) admission.Response {
	var warnings []string
	var err error
	field := "spec"
	switch req.Kind.Kind {
	case "TrustedIdentity":
		err = check(req, func(obj v1alpha1.TrustedIdentity) error {
			// "default" is built in.
			if name := obj.Spec.TrustRoot; name != "" && name != evidence.DefaultTrustRoot && !slices.Contains(p.KnownTrustRoots(), name) {
				warnings = append(warnings, fmt.Sprintf(
					"until TrustRoot %s exists, signatures by the identity that need a trust root are denied", name))
			}
			return policy.CheckIdentity(obj)
		})
	case "TrustRoot":
		err = check(req, p.CheckTrustRoot)
	case "ChartPolicy":
		err = check(req, func(obj v1alpha1.ChartPolicy) error {
			if missing := policy.MissingIdentities(obj, p.KnownIdentities()); len(missing) > 0 {
				warnings = append(warnings, fmt.Sprintf(
					"until TrustedIdentity %s exists, the policy denies every chart that it matches", strings.Join(missing, ", ")))
			}
			return policy.CheckPolicy(obj)
		})
	case "ConfigMap":
		field = "data[" + policy.IdentitiesKey + "]"
		err = check(req, func(obj corev1.ConfigMap) error {
			text, ok := obj.Data[policy.IdentitiesKey]
			if !ok {
				return fmt.Errorf("the key %s is missing", policy.IdentitiesKey)
			}
			return policy.CheckConfigMap(text)
		})
	default:
		err = fmt.Errorf("chartgate does not know the kind %q", req.Kind.Kind)
	}
	if err != nil {
		denied := verdict.Deny(verdict.Subject{Kind: req.Kind.Kind, Name: req.Name, Field: field}, verdict.Denial{
			Reason: verdict.PolicyInvalid, Summary: err.Error(), Next: "correct the field and apply again",
		})
		response := admission.Denied("")
		response.Result = forbidden(denied.Message(), []metav1.StatusCause{{Type: metav1.CauseType(verdict.PolicyInvalid), Message: err.Error(), Field: field}})
		return response
	}
	return admission.Allowed("").WithWarnings(warnings...)
}

func check[T any](req admission.Request, compile func(T) error) error {
	var obj T
	if err := json.UnmarshalCaseSensitivePreserveInts(req.Object.Raw, &obj); err != nil {
		return fmt.Errorf("read the object: %w", err)
	}
	return compile(obj)
}

var _ admission.Handler = (*Policies)(nil)
