// Package policy compiles what the platform team wrote (custom resources and the
// ConfigMap) into one immutable Set, finds the policies that match a chart, and
// judges evidence by them. It is pure: the time of day is an argument.
//
// Two rules hold everywhere. Empty never means "all passed": a policy without
// requirements, a requirement without identities and an identity without
// constraints do not compile. And what does not compile is not dropped: it denies
// the charts that it matches.
package policy
