package policy

import (
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/fielderr"
)

// validity is a window of signing times. Its zero value holds every time, and no time
// at all too.
type validity struct{ notBefore, notAfter time.Time }

func compileValidity(path *field.Path, spec *v1alpha1.Validity) (validity, field.ErrorList) {
	if spec == nil {
		return validity{}, nil
	}
	var v validity
	var errs field.ErrorList
	read := func(name string, from *v1alpha1.Time, into *time.Time) {
		switch {
		case from == nil:
		case from.Invalid != "", from.Time.IsZero(): // an empty text is no time either
			errs = append(errs, field.Invalid(path.Child(name), from.Invalid, `is not a time such as "2027-01-01T00:00:00Z"`))
		default:
			*into = from.Time.UTC()
		}
	}
	read("notBefore", spec.NotBefore, &v.notBefore)
	read("notAfter", spec.NotAfter, &v.notAfter)
	switch {
	case len(errs) > 0:
		return validity{}, errs
	case v.isZero():
		return validity{}, fielderr.New(path, "at least one of notBefore and notAfter must be set")
	case !v.notBefore.IsZero() && !v.notAfter.IsZero() && !v.notBefore.Before(v.notAfter):
		return validity{}, fielderr.New(path, "notBefore must be before notAfter")
	}
	return v, nil
}

func (v validity) isZero() bool { return v == validity{} }

// outside says why a signing time is not in the window, "" if it is. A time that is not proven is
// zero: the signature can be as old as its key, or as new as the theft of the key.
func (v validity) outside(at time.Time) string {
	switch {
	case v.isZero():
		return ""
	case at.IsZero():
		return "signed it at a time that no log or timestamp proves, while validity is limited"
	case !v.notBefore.IsZero() && at.Before(v.notBefore):
		return "signed it at " + at.Format(time.RFC3339) + ", before validity.notBefore " + v.notBefore.Format(time.RFC3339)
	case !v.notAfter.IsZero() && at.After(v.notAfter):
		return "signed it at " + at.Format(time.RFC3339) + ", after validity.notAfter " + v.notAfter.Format(time.RFC3339)
	default:
		return ""
	}
}
