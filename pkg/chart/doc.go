// Package chart names charts: where they live (Location), which version is asked for (Selector) and
// what was found there (Resolved). It is pure.
//
// Every parser in it returns either a canonical value or a *problem.Error. There is one spelling
// for one chart, so that a policy that matches the spelling matches the chart.
package chart
