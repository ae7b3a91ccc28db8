// Package verdict holds what chartgate says: the Verdict on a use of a chart, the
// stable Reason of a denial, the Evidence that an admission is built from, and the
// one renderer that turns them into text for people. It is pure.
//
// Security is in the types: a Verdict's zero value denies, and an admitting one
// can only be made by a function that takes what justifies it.
package verdict
