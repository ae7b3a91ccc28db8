package webhook

import (
	"net/http"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/chartgate/chartgate/pkg/verdict"
)

// respond turns verdicts into the API server's response: admitted if all of them
// admit, and if the write makes nothing deployable. The API server keeps
// details.causes (one for each denial, by field) and writes the annotations to the
// cluster's audit log, under the webhook's name.
func respond(found findings) admission.Response {
	var denied []verdict.Verdict
	var causes []metav1.StatusCause
	for _, v := range found.verdicts {
		if v.Admits() {
			continue
		}
		denied = append(denied, v)
		for _, d := range v.Denials() {
			causes = append(causes, metav1.StatusCause{Type: metav1.CauseType(d.Reason), Message: d.Summary, Field: v.Subject.Field})
		}
	}
	response := admissionv1.AdmissionResponse{
		Allowed:          len(denied) == 0,
		Warnings:         warnings(found),
		AuditAnnotations: annotations(found.verdicts),
		Result:           &metav1.Status{Status: metav1.StatusSuccess, Code: http.StatusOK},
	}
	if !response.Allowed {
		response.Result = forbidden(verdict.Messages(denied), causes)
	}
	return admission.Response{AdmissionResponse: response}
}

// warnings are those of the verdicts, then those of the dependents.
func warnings(found findings) []string {
	var texts []string
	for _, v := range found.verdicts {
		if warning := v.Warning(); warning != "" {
			texts = append(texts, warning)
		}
	}
	for _, d := range found.dependents {
		if !d.verdict.Admits() {
			texts = append(texts, d.verdict.Breaks("this change"))
		}
	}
	return verdict.Warnings(texts)
}

// forbidden is the status of a denial.
func forbidden(message string, causes []metav1.StatusCause) *metav1.Status {
	return &metav1.Status{
		Status:  metav1.StatusFailure,
		Code:    http.StatusForbidden,
		Reason:  metav1.StatusReasonForbidden,
		Message: message,
		Details: &metav1.StatusDetails{Causes: causes},
	}
}

// annotations describes the verdicts for the audit log.
func annotations(verdicts []verdict.Verdict) map[string]string {
	values := map[string][]string{}
	add := func(key, value string) {
		if value != "" {
			values[key] = append(values[key], value)
		}
	}
	for _, v := range verdicts {
		add("verdict", v.String())
		add("reason", string(v.Reason()))
		add("chart", v.Subject.Reference.String())
		add("digest", v.Subject.Digest.String())
		add("signer", strings.Join(signers(v), ", "))
		add("policy", strings.Join(policies(v), ", "))
	}
	result := map[string]string{}
	for key, list := range values {
		result[key] = strings.Join(list, "; ")
	}
	return result
}

func signers(v verdict.Verdict) []string {
	var names []string
	for _, a := range v.Acceptances() {
		if a.Identity != "" {
			names = append(names, a.Identity+" ("+a.Evidence.Signer.String()+")")
		}
	}
	return names
}

func policies(v verdict.Verdict) []string {
	var names []string
	for _, a := range v.Acceptances() {
		names = append(names, a.Policy)
	}
	return names
}
