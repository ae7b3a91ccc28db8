// Package verdict holds what chartgate answers: the Verdict on a use of a chart, the stable Reason of
// a denial, and the one renderer that turns them into text for people. It is pure.
//
// Security is in the types: a Verdict's zero value denies, and an admitting one can only be made by a
// function that takes what justifies it.
package verdict
