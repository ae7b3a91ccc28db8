package verdict

import (
	"cmp"
	"errors"

	"github.com/chartgate/chartgate/pkg/chart"
)

// Reason is a stable code for why something was denied. Each has a page in
// docs/reasons.md; scripts and alerts may depend on the spelling.
type Reason string

// The reasons. The empty reason is not one of them.
const (
	NoPolicy             Reason = "NoPolicy"
	NotPinned            Reason = "NotPinned"
	NotOCI               Reason = "NotOCI"
	ReferenceInvalid     Reason = "ReferenceInvalid"
	ChartNotFound        Reason = "ChartNotFound"
	NotAChart            Reason = "NotAChart"
	RegistryUnavailable  Reason = "RegistryUnavailable"
	RegistryUnauthorized Reason = "RegistryUnauthorized"
	SignatureMissing     Reason = "SignatureMissing"
	SignatureInvalid     Reason = "SignatureInvalid"
	IdentityNotAllowed   Reason = "IdentityNotAllowed"
	AttestationMissing   Reason = "AttestationMissing"
	AttestationRejected  Reason = "AttestationRejected"
	DependencyMissing    Reason = "DependencyMissing"
	DigestMismatch       Reason = "DigestMismatch"
	SourceNotFound       Reason = "SourceNotFound"
	PolicyInvalid        Reason = "PolicyInvalid"
	TrustRootUnavailable Reason = "TrustRootUnavailable"
	LimitExceeded        Reason = "LimitExceeded"
	Timeout              Reason = "Timeout"
	Unsupported          Reason = "Unsupported"
	InternalError        Reason = "InternalError"
)

// Reasons lists every reason, for the docs test and for metrics.
func Reasons() []Reason {
	return []Reason{
		NoPolicy, NotPinned, NotOCI, ReferenceInvalid, ChartNotFound, NotAChart,
		RegistryUnavailable, RegistryUnauthorized, SignatureMissing, SignatureInvalid,
		IdentityNotAllowed, AttestationMissing, AttestationRejected, DependencyMissing, DigestMismatch, SourceNotFound, PolicyInvalid,
		TrustRootUnavailable, LimitExceeded, Timeout, Unsupported, InternalError,
	}
}

// reasonOf maps the kinds of chart problems to reasons, one to one but for two: an object
// that is not stored yet is a source that does not exist.
func reasonOf(kind chart.Kind) Reason {
	switch kind {
	case chart.KindInvalid:
		return ReferenceInvalid
	case chart.KindNotOCI:
		return NotOCI
	case chart.KindNotFound:
		return ChartNotFound
	case chart.KindNotAChart:
		return NotAChart
	case chart.KindUnavailable:
		return RegistryUnavailable
	case chart.KindUnauthorized:
		return RegistryUnauthorized
	case chart.KindDigestMismatch:
		return DigestMismatch
	case chart.KindLimitExceeded:
		return LimitExceeded
	case chart.KindTimeout:
		return Timeout
	case chart.KindSourceNotFound, chart.KindNotStored:
		return SourceNotFound
	case chart.KindUnsupported:
		return Unsupported
	default:
		return InternalError
	}
}

// Rejection is why one piece of signature material proved nothing. Package
// signature makes them; they never decide alone, because a good signature may
// stand beside a bad one.
type Rejection struct {
	Reason Reason // SignatureInvalid, TrustRootUnavailable, LimitExceeded or InternalError
	Detail string // for people
	Err    error  // for the log
}

// Error renders the rejection for the log.
func (r *Rejection) Error() string {
	if r.Err != nil {
		return r.Detail + ": " + r.Err.Error()
	}
	return r.Detail
}

// Unwrap returns the cause.
func (r *Rejection) Unwrap() error { return r.Err }

// FromError turns any error into a denial. Errors of kinds that chartgate makes
// itself keep their reason and text; the text of every other error stays in the
// log, because libraries put URLs, tokens and internals into theirs.
func FromError(err error) Denial {
	var problem *chart.Problem
	var rejection *Rejection
	switch {
	case errors.As(err, &problem):
		reason := reasonOf(problem.Kind)
		return Denial{Reason: reason, Summary: problem.Detail, Next: cmp.Or(problem.Next, nextFor(reason)), Cause: err}
	case errors.As(err, &rejection) && rejection.Reason != "":
		return Denial{Reason: rejection.Reason, Summary: rejection.Detail, Next: nextFor(rejection.Reason), Cause: err}
	default:
		return Denial{Reason: InternalError, Summary: internalSummary, Next: nextFor(InternalError), Cause: err}
	}
}
