package webhook

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	checks map[string]func(admission.Request) admission.Response // by kind
}

// PolicyChecks are what Policies ask other parts of chartgate.
type PolicyChecks struct {
	// Stored returns the policies and identities that exist.
	Stored func() policy.Input
	// KnownTrustRoots returns the names of the TrustRoots that exist.
	KnownTrustRoots func() []string
	// CheckTrustRoot returns what is wrong with a TrustRoot as it is written.
	CheckTrustRoot func(v1alpha1.TrustRoot) field.ErrorList
	// Now returns the time by which waivers and windows are checked.
	Now func() time.Time
}

// NewPolicies returns Policies that ask checks.
func NewPolicies(checks PolicyChecks) *Policies {
	return &Policies{checks: map[string]func(admission.Request) admission.Response{
		"ChartPolicy":     check(checks.chartPolicy),
		"TrustedIdentity": check(checks.identity),
		"TrustRoot": check(func(obj v1alpha1.TrustRoot) opinion {
			return opinion{invalid: checks.CheckTrustRoot(obj)}
		}),
		"ConfigMap": check(checks.configMap),
	}}
}

// Handle checks one object.
func (p *Policies) Handle(ctx context.Context, req admission.Request) admission.Response {
	check, known := p.checks[req.Kind.Kind]
	switch {
	case !known:
		return unsupported(req, fmt.Sprintf("chartgate does not know the kind %q", req.Kind.Kind))
	case req.Operation != admissionv1.Create && req.Operation != admissionv1.Update:
		return unsupported(req, fmt.Sprintf("chartgate does not check the operation %q", req.Operation))
	}
	response := check(req)
	if !response.Allowed {
		logr.FromContextOrDiscard(ctx).Info("an object is refused", "kind", req.Kind.Kind, "name", req.Name, "cause", response.Result.Message)
	}
	return response
}

// opinion is what is said of one object.
type opinion struct {
	// notes are said to its author when it is stored.
	notes []string
	// invalid is why it cannot be evaluated.
	invalid field.ErrorList
	// findings are mistakes in what can be evaluated.
	findings policy.Findings
}

// check decodes an object and answers by an opinion on it. An old object that cannot be decoded any
// more must not stand in the way of its own correction, and one that has the same mistake not in
// the way of another change.
func check[T any](opinionOn func(T) opinion) func(admission.Request) admission.Response {
	return func(req admission.Request) admission.Response {
		var obj, old T
		if errs := fielderr.DecodeKnown(req.Object.Raw, &obj); len(errs) > 0 {
			return invalid(req, errs)
		}
		about := opinionOn(obj)
		refused := append(slices.Clone(about.invalid), about.findings.Refused()...)
		if len(about.findings.Refused()) > 0 && len(fielderr.DecodeKnown(req.OldObject.Raw, &old)) == 0 {
			about.findings = about.findings.Since(opinionOn(old).findings)
			refused = append(slices.Clone(about.invalid), about.findings.Refused()...)
		}
		if len(refused) > 0 {
			return invalid(req, refused)
		}
		return admission.Allowed("").WithWarnings(append(about.notes, about.findings.Lines()...)...)
	}
}

func (c PolicyChecks) linter() policy.Linter { return policy.NewLinter(c.Stored(), c.Now()) }

func (c PolicyChecks) identity(obj v1alpha1.TrustedIdentity) opinion {
	about := opinion{invalid: policy.CheckIdentity(obj), findings: c.linter().Identity(obj)}
	name := obj.Spec.TrustRoot
	if name != "" && name != evidence.DefaultTrustRoot && !slices.Contains(c.KnownTrustRoots(), name) {
		about.notes = append(about.notes, fmt.Sprintf(
			"until TrustRoot %s exists, signatures by the identity that need a trust root are denied", name))
	}
	return about
}

func (c PolicyChecks) chartPolicy(obj v1alpha1.ChartPolicy) opinion {
	about := opinion{invalid: policy.CheckPolicy(obj), findings: c.linter().Policy(obj)}
	var known []string
	for _, identity := range c.Stored().Identities {
		known = append(known, identity.Name)
	}
	if missing := policy.MissingIdentities(obj, known); len(missing) > 0 {
		about.notes = append(about.notes, fmt.Sprintf(
			"until TrustedIdentity %s exists, the policy denies every chart that it matches", strings.Join(missing, ", ")))
	}
	return about
}

func (c PolicyChecks) configMap(obj corev1.ConfigMap) opinion {
	text, ok := obj.Data[policy.IdentitiesKey]
	if !ok {
		return opinion{invalid: field.ErrorList{field.Required(field.NewPath("data").Key(policy.IdentitiesKey), "the list of identities")}}
	}
	return opinion{invalid: policy.CheckConfigMap(text), findings: c.linter().ConfigMap(text)}
}

// invalid is the answer to an object with mistakes: kubectl prints each cause at its field, and
// other clients the message.
func invalid(req admission.Request, errs field.ErrorList) admission.Response {
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
	response := admission.Denied("")
	response.Result = &metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid,
		Message: denied.Message(),
		Details: &metav1.StatusDetails{Group: req.Kind.Group, Kind: req.Kind.Kind, Name: req.Name, Causes: causes},
	}
	return response
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
