package verdict

import (
	"cmp"
	"errors"

	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/problem"
)

// Reason is a stable code for a denial. Each has a section in docs/reasons.md; scripts and alerts
// can depend on its spelling.
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

// Obstacle reports whether the reason says nothing about the chart, but that chartgate could not find
// out: a registry that is down for an hour makes no chart in it untrusted.
func (r Reason) Obstacle() bool {
	switch r {
	case RegistryUnavailable, RegistryUnauthorized, TrustRootUnavailable, Timeout, InternalError:
		return true
	default:
		return false
	}
}

// reasonOf maps the kinds of chart problems to reasons, one to one with one exception: an object
// that is not stored yet is a source that does not exist.
func reasonOf(kind problem.Kind) Reason {
	switch kind {
	case problem.KindInvalid:
		return ReferenceInvalid
	case problem.KindNotOCI:
		return NotOCI
	case problem.KindNotFound:
		return ChartNotFound
	case problem.KindNotAChart:
		return NotAChart
	case problem.KindUnavailable:
		return RegistryUnavailable
	case problem.KindUnauthorized:
		return RegistryUnauthorized
	case problem.KindDigestMismatch:
		return DigestMismatch
	case problem.KindLimitExceeded:
		return LimitExceeded
	case problem.KindTimeout:
		return Timeout
	case problem.KindSourceNotFound, problem.KindNotStored:
		return SourceNotFound
	case problem.KindUnsupported:
		return Unsupported
	default:
		return InternalError
	}
}

// Rejection is why an attachment proved nothing. Package signature makes them. They never decide
// alone, because a good signature can exist beside a bad one.
type Rejection struct {
	Reason Reason // SignatureInvalid, TrustRootUnavailable, LimitExceeded or InternalError
	Detail string // for users
	Err    error  // for the log
	// Lasting is set if the reason stays until a person has changed something: a TrustRoot does not
	// exist.
	Lasting bool
	// Claims is who made the attachment by its own words: the fingerprint of a key, or what its
	// certificate says. None of it is proven.
	Claims evidence.Signer
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

// FromError turns any error into a denial. chartgate's own errors keep their reason and text. The
// text of every other error is only logged, because libraries put URLs, tokens and internals into
// their errors.
func FromError(err error) Denial {
	var perr *problem.Error
	var rejection *Rejection
	switch {
	case errors.As(err, &perr):
		reason := reasonOf(perr.Kind)
		return Denial{Reason: reason, Summary: perr.Detail, Next: cmp.Or(perr.Next, nextFor(reason)), Cause: err}
	case errors.As(err, &rejection) && rejection.Reason != "":
		return Denial{Reason: rejection.Reason, Summary: rejection.Detail, Next: nextFor(rejection.Reason), Lasting: rejection.Lasting, Cause: err}
	default:
		return Denial{Reason: InternalError, Summary: internalSummary, Next: nextFor(InternalError), Cause: err}
	}
}
