package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/fielderr"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// Policies answers AdmissionReviews of chartgate's own resources and ConfigMap, so that their
// author learns of a mistake at once, and at its field. It guards nothing: what does not compile
// denies the charts that it matches, however it got into the cluster. Make one with NewPolicies.
type Policies struct {
	handlers map[string]admission.Handler // by kind
}

// PolicyChecks are what Policies ask other parts of chartgate.
type PolicyChecks struct {
	// KnownIdentities returns the names of the TrustedIdentities that exist.
	KnownIdentities func() []string
	// KnownTrustRoots returns the names of the TrustRoots that exist.
	KnownTrustRoots func() []string
	// CheckTrustRoot returns what is wrong with a TrustRoot as it is written.
	CheckTrustRoot func(v1alpha1.TrustRoot) field.ErrorList
}

// NewPolicies returns Policies that ask checks.
func NewPolicies(checks PolicyChecks) (*Policies, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(v1alpha1.AddToScheme(scheme), corev1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("register the types of policies: %w", err)
	}
	return &Policies{handlers: map[string]admission.Handler{
		"ChartPolicy":     validate(scheme, checks.chartPolicy),
		"TrustedIdentity": validate(scheme, checks.identity),
		"TrustRoot": validate(scheme, func(obj *v1alpha1.TrustRoot) (admission.Warnings, field.ErrorList) {
			return nil, checks.CheckTrustRoot(*obj)
		}),
		"ConfigMap": validate(scheme, func(obj *corev1.ConfigMap) (admission.Warnings, field.ErrorList) {
			return nil, checkConfigMap(obj)
		}),
	}}, nil
}

// Handle checks one object.
func (p *Policies) Handle(ctx context.Context, req admission.Request) admission.Response {
	handler, known := p.handlers[req.Kind.Kind]
	switch {
	case !known:
		return unsupported(req, fmt.Sprintf("chartgate does not know the kind %q", req.Kind.Kind))
	case req.Operation != admissionv1.Create && req.Operation != admissionv1.Update:
		return unsupported(req, fmt.Sprintf("chartgate does not check the operation %q", req.Operation))
	}
	// An update is checked like a creation: an old object that cannot be decoded any more must not
	// stand in the way of its own correction.
	req.Operation, req.OldObject = admissionv1.Create, runtime.RawExtension{}
	response := handler.Handle(ctx, req)
	if response.Result != nil && response.Result.Code == http.StatusBadRequest {
		logr.FromContextOrDiscard(ctx).Info("an object cannot be decoded", "kind", req.Kind.Kind, "name", req.Name, "cause", response.Result.Message)
		return undecodable(req)
	}
	return response
}

func (c PolicyChecks) identity(obj *v1alpha1.TrustedIdentity) (warnings admission.Warnings, errs field.ErrorList) {
	name := obj.Spec.TrustRoot
	if name != "" && name != evidence.DefaultTrustRoot && !slices.Contains(c.KnownTrustRoots(), name) {
		warnings = append(warnings, fmt.Sprintf(
			"until TrustRoot %s exists, signatures by the identity that need a trust root are denied", name))
	}
	return warnings, policy.CheckIdentity(*obj)
}

func (c PolicyChecks) chartPolicy(obj *v1alpha1.ChartPolicy) (warnings admission.Warnings, errs field.ErrorList) {
	if missing := policy.MissingIdentities(*obj, c.KnownIdentities()); len(missing) > 0 {
		warnings = append(warnings, fmt.Sprintf(
			"until TrustedIdentity %s exists, the policy denies every chart that it matches", strings.Join(missing, ", ")))
	}
	return warnings, policy.CheckPolicy(*obj)
}

func checkConfigMap(obj *corev1.ConfigMap) field.ErrorList {
	text, ok := obj.Data[policy.IdentitiesKey]
	if !ok {
		return field.ErrorList{field.Required(field.NewPath("data").Key(policy.IdentitiesKey), "the list of identities")}
	}
	return policy.CheckConfigMap(text)
}

// validator is a check of one type of objects as an admission.Validator.
type validator[T runtime.Object] func(T) (admission.Warnings, field.ErrorList)

func validate[T runtime.Object](scheme *runtime.Scheme, check validator[T]) admission.Handler {
	return admission.WithValidator[T](scheme, check).Handler
}

// ValidateCreate implements admission.Validator.
func (check validator[T]) ValidateCreate(ctx context.Context, obj T) (admission.Warnings, error) {
	warnings, errs := check(obj)
	if len(errs) == 0 {
		return warnings, nil
	}
	req, err := admission.RequestFromContext(ctx)
	if err != nil {
		return nil, err
	}
	return nil, invalid(req, errs)
}

// ValidateUpdate implements admission.Validator.
func (check validator[T]) ValidateUpdate(ctx context.Context, _, obj T) (admission.Warnings, error) {
	return check.ValidateCreate(ctx, obj)
}

// ValidateDelete implements admission.Validator. Policies.Handle does not call it.
func (validator[T]) ValidateDelete(context.Context, T) (admission.Warnings, error) {
	return nil, errors.New("chartgate does not check deletions")
}

// invalid is the answer to an object with mistakes: kubectl prints each cause at its field, and
// other clients the message.
func invalid(req admission.Request, errs field.ErrorList) error {
	var fields []string
	var causes []metav1.StatusCause
	for _, err := range errs {
		fields = append(fields, err.Field)
		causes = append(causes, metav1.StatusCause{
			Type: metav1.CauseType(verdict.PolicyInvalid), Message: fielderr.Detail(err), Field: err.Field,
		})
	}
	denied := policyDenied(req, strings.Join(slices.Compact(fields), ", "), verdict.Denial{
		Reason: verdict.PolicyInvalid, Summary: fielderr.Join(errs).Error(), Next: "correct the field and apply again",
	})
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid,
		Message: denied.Message(),
		Details: &metav1.StatusDetails{Group: req.Kind.Group, Kind: req.Kind.Kind, Name: req.Name, Causes: causes},
	}}
}

// undecodable is the answer to an object that is not of its type. An API server refuses it by its
// schema before it asks a webhook.
func undecodable(req admission.Request) admission.Response {
	return unsupported(req, fmt.Sprintf("the object cannot be decoded as %s %s/%s", req.Kind.Kind, req.Kind.Group, req.Kind.Version))
}

// unsupported is the answer to a request that an API server with chartgate's own configuration does
// not send.
func unsupported(req admission.Request, why string) admission.Response {
	denied := policyDenied(req, "", verdict.Denial{
		Reason: verdict.PolicyInvalid, Summary: why, Next: "ask the cluster's admin to install the CRDs and the webhook configuration of this version of chartgate",
	})
	response := admission.Denied("")
	response.Result = forbidden(denied.Message(), []metav1.StatusCause{{Type: metav1.CauseType(verdict.PolicyInvalid), Message: why}})
	return response
}

func policyDenied(req admission.Request, where string, denial verdict.Denial) verdict.Verdict {
	return verdict.Deny(verdict.Subject{Kind: req.Kind.Kind, Name: req.Name, Field: where}, denial)
}

var _ admission.Handler = (*Policies)(nil)
