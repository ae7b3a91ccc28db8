package policy

import (
	"errors"
	"fmt"
	"strings"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/verdict"
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
	case spec.PredicateType == verdict.SignaturePredicate:
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

// rejects says which condition does not hold of an attestation, "" if all do.
func (a *attestation) rejects(about subject, e verdict.Evidence) string {
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
