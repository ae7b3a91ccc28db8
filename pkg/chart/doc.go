// Package chart names charts: where they live (Location), which version is
// asked for (Selector), what was found there (Resolved) and why it could not be
// found (Problem). It is pure: it does no I/O and imports nothing of chartgate.
//
// Every parser in it returns either a canonical value or a *Problem. There is
// one spelling for one chart, so that a policy which matches the spelling
// matches the chart.
package chart
