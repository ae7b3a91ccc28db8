package policy

import (
	"errors"
	"fmt"
	"strings"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/evidence"
)

// attestation is what a predicate must be like.
type attestation struct {
	predicateType string
	conditions    []condition
}

func compileAttestation(spec v1alpha1.Attestation) (*attestation, error) {
	switch {
	case strings.TrimSpace(spec.PredicateType) != spec.PredicateType, spec.PredicateType == "":
		return nil, errors.New("attestation.predicateType is empty or has spaces around it")
	case shortNames()[spec.PredicateType] != "":
		return nil, fmt.Errorf("attestation.predicateType is %q, which cosign attest --type takes for %s; write that, as attestations carry it",
			spec.PredicateType, shortNames()[spec.PredicateType])
	case spec.PredicateType == evidence.SignaturePredicate:
		return nil, errors.New("attestation.predicateType is that of signatures; leave attestation out to ask for one")
	}
	a := &attestation{predicateType: spec.PredicateType}
	var errs []error
	for i, c := range spec.Conditions {
		compiled, err := compileCondition(c)
		if err != nil {
			errs = append(errs, fmt.Errorf("attestation.conditions[%d]: %w", i, err))
			continue
		}
		a.conditions = append(a.conditions, compiled)
	}
	return a, errors.Join(errs...)
}

// shortNames are the names that cosign attest --type takes in place of predicate types, and what it writes for them. No
// attestation carries a short name, so a policy that asks for one could never be satisfied.
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
func (a *attestation) rejects(about subject, e evidence.Evidence) string {
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
