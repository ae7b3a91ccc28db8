package policy

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// requirement is one thing that a chart must carry: a signature or, with attestation,
// an attestation, by any of the identities. Its zero value is satisfied by nothing.
type requirement struct {
	anyOf       []identity
	attestation *attestation
}

func (c compiledIdentities) compileRequirement(path *field.Path, spec v1alpha1.Requirement) (requirement, field.ErrorList) {
	anyOf, errs := c.compileAnyOf(path.Child("anyOf"), spec.AnyOf)
	r := requirement{anyOf: anyOf}
	if spec.Attestation != nil {
		var wrong field.ErrorList
		r.attestation, wrong = compileAttestation(path.Child("attestation"), *spec.Attestation)
		errs = append(errs, wrong...)
	}
	if len(errs) > 0 {
		return requirement{}, errs
	}
	return r, nil
}

// signatories are those who may make what r asks for, first those whose validity has not
// ended.
func (r requirement) signatories(now time.Time) []verdict.Signatory {
	var valid, over []verdict.Signatory
	for _, id := range r.anyOf {
		if id.validity.notAfter.IsZero() || now.Before(id.validity.notAfter) {
			valid = append(valid, id.signatory())
		} else {
			over = append(over, id.signatory())
		}
	}
	return append(valid, over...)
}

// isAbout reports whether evidence is what r asks for. An attestation is not a signature: it never
// satisfies a requirement of a signature, and a signature never one of an attestation.
func (r requirement) isAbout(digest chart.Digest, e evidence.Evidence) bool {
	if r.attestation != nil {
		return e.Attests(digest, r.attestation.predicateType)
	}
	return e.Signs(digest)
}

// predicateType is that of the attestation, "" if r requires a signature.
func (r requirement) predicateType() string {
	if r.attestation == nil {
		return ""
	}
	return r.attestation.predicateType
}

// String says what r asks for.
func (r requirement) String() string {
	var names []string
	for _, id := range r.anyOf {
		names = append(names, id.String())
	}
	what := "a signature"
	if r.attestation != nil {
		what = fmt.Sprintf("an attestation %s", r.attestation.predicateType)
	}
	return what + " by " + strings.Join(names, " or ")
}
