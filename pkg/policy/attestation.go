package policy

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/evidence"
)

// attestation is what a predicate must be like.
type attestation struct {
	predicateType string
	conditions    []condition
}

func compileAttestation(path *field.Path, spec v1alpha1.Attestation) (*attestation, field.ErrorList) {
	errs := checkPredicateType(path.Child("predicateType"), spec.PredicateType)
	a := &attestation{predicateType: spec.PredicateType}
	for i, c := range spec.Conditions {
		compiled, wrong := compileCondition(path.Child("conditions").Index(i).Child("cel"), c)
		errs = append(errs, wrong...)
		a.conditions = append(a.conditions, compiled)
	}
	return a, errs
}

func checkPredicateType(path *field.Path, predicateType string) field.ErrorList {
	wrong := func(detail string) field.ErrorList {
		return field.ErrorList{field.Invalid(path, predicateType, detail)}
	}
	switch {
	case predicateType == "":
		return field.ErrorList{field.Required(path, "the predicate type must be named")}
	case strings.TrimSpace(predicateType) != predicateType:
		return wrong("must have no spaces around it")
	case shortNames()[predicateType] != "":
		return wrong(fmt.Sprintf("cosign attest --type takes it for %s; write that, as attestations carry it", shortNames()[predicateType]))
	case predicateType == evidence.SignaturePredicate:
		return wrong("is that of signatures; leave attestation out to ask for a signature")
	default:
		return nil
	}
}

// shortNames are the names that cosign attest --type takes in place of predicate types, and what it
// writes for them. No attestation carries a short name, so a policy that asks for one could never
// be satisfied.
func shortNames() map[string]string {
	return map[string]string{
		"custom":           "https://cosign.sigstore.dev/attestation/v1",
		"slsaprovenance":   "https://slsa.dev/provenance/v0.2",
		"slsaprovenance02": "https://slsa.dev/provenance/v0.2",
		"slsaprovenance1":  "https://slsa.dev/provenance/v1",
		"spdx":             "https://spdx.dev/Document",
		"spdxjson":         "https://spdx.dev/Document",
		"cyclonedx":        "https://cyclonedx.org/bom",
		"link":             "https://in-toto.io/Link/v1",
		"vuln":             "https://cosign.sigstore.dev/attestation/vuln/v1",
		"openvex":          "https://openvex.dev/ns",
	}
}

// rejects says which condition does not hold of an attestation, "" if all do.
func (a *attestation) rejects(about target, e *piece) string {
	if len(a.conditions) == 0 {
		return ""
	}
	variables, err := variablesOf(about, e)
	if err != nil {
		return fmt.Sprintf("the predicate by %s cannot be judged: %v", e.Signer, err)
	}
	for _, c := range a.conditions {
		if why := c.fails(variables); why != "" {
			return fmt.Sprintf("%s (in the predicate by %s)", why, e.Signer)
		}
	}
	return ""
}
