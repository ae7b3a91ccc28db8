// Package problem is the error that chartgate shows to people: why a reference did not lead to a
// verified chart, of which kind that is, and what the reader can do.
package problem

import "fmt"

// Kind says why a reference did not lead to a chart. The zero value is
// KindInternal: a problem that nobody classified is ours.
type Kind int

// The kinds of problems. Package verdict maps each to one stable reason code.
const (
	KindInternal       Kind = iota
	KindInvalid             // the reference is not canonical, or ambiguous
	KindNotOCI              // the chart does not come from an OCI registry
	KindNotFound            // the registry answered that there is no such chart
	KindNotAChart           // there is an artifact, but it is not a Helm chart
	KindUnavailable         // the registry could not be asked
	KindUnauthorized        // the registry refused our credentials or their absence
	KindDigestMismatch      // the content is not what the digest promised
	KindLimitExceeded       // a size or count above a limit of ours
	KindTimeout             // no answer within the admission's deadline
	KindSourceNotFound      // an object that the reference goes through does not exist
	KindUnsupported         // a kind, field or value that chartgate does not know
	KindNotStored           // the login may not be used before the object that names it is stored
)

// Error is the only error type of the packages that read references, objects, Secrets and registries. Detail is written for the person who is denied: it names what was
// looked at and never holds secrets or raw errors of libraries. Next, if set, is
// what that person can do. Err is the cause, for the log alone.
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
