// Package verdict holds chartgate's answers: the Verdict on a use of a chart, the stable Reason of
// a denial, and the only code that renders them as text for users. It is pure.
//
// Security is in the types: the zero value of a Verdict denies, and only functions that take a
// justification return an admitting Verdict.
package verdict
