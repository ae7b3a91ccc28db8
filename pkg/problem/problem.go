// Package problem holds the error that chartgate shows to users: its kind, why a reference did not
// lead to a verified chart, and what the reader can do; and quotes user input for it.
package problem

import "fmt"

// Kind says why a reference did not lead to a chart. The zero value is KindInternal: an error
// without a kind is an error of chartgate.
type Kind int

// The kinds of problems. Package verdict maps each to one stable reason code.
const (
	KindInternal       Kind = iota
	KindInvalid             // the reference is not canonical, or ambiguous
	KindNotOCI              // the chart does not come from an OCI registry
	KindNotFound            // the registry answered that the chart does not exist
	KindNotAChart           // there is an artifact, but it is not a Helm chart
	KindUnavailable         // the registry could not be reached
	KindUnauthorized        // the registry rejected the credentials, or requires some
	KindDigestMismatch      // the content does not match its digest
	KindLimitExceeded       // a size or count exceeds a limit of chartgate
	KindTimeout             // no answer within the time limit of an admission or a command
	KindSourceNotFound      // an object that the reference goes through does not exist
	KindUnsupported         // a kind, field or value that chartgate does not know
	KindNotStored           // the login cannot be used before the object that names it is stored
)

// Error is the only error type of the packages that read references, objects, Secrets and
// registries. Detail is written for the user whose write is denied: it names what was read, and
// never contains secrets or raw errors of libraries. Next, if set, is what that user can do. Err is
// the cause, for the log only.
type Error struct {
	Kind   Kind
	Detail string
	Next   string
	Err    error
}

// Error renders the problem for the log.
func (p *Error) Error() string {
	if p.Err != nil {
		return fmt.Sprintf("%s: %v", p.Detail, p.Err)
	}
	return p.Detail
}

// Unwrap returns the cause.
func (p *Error) Unwrap() error { return p.Err }

// Invalid returns a KindInvalid problem with the given detail.
func Invalid(format string, args ...any) *Error {
	return &Error{Kind: KindInvalid, Detail: fmt.Sprintf(format, args...)}
}

// WithNext returns a copy of p that tells the reader what to do.
func (p *Error) WithNext(format string, args ...any) *Error {
	c := *p
	c.Next = fmt.Sprintf(format, args...)
	return &c
}
