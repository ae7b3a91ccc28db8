package chart

import (
	"regexp"
	"regexp/syntax"

	"github.com/chartgate/chartgate/pkg/problem"
)

// maxFilter bounds the size of a semverFilter (filterSize). A tenant writes it, and it meets up to 10,000 tags while a
// place at the registry is held. A tag costs up to size × length: with a counted repetition, 250 characters can be a
// filter of a million states. Package regexp has its fast algorithm for no more than 500 (maxBacktrackProg).
const maxFilter = 500

// compileFilter reads spec.ref.semverFilter.
func compileFilter(filter string) (*regexp.Regexp, error) {
	if len(filter) > maxVersion {
		return nil, problem.Invalid("the semverFilter %s is longer than %d characters", problem.QuoteInput(filter), maxVersion).
			WithNext("write a shorter spec.ref.semverFilter")
	}
	invalid := problem.Invalid("the semverFilter %s is not a regular expression", problem.QuoteInput(filter)).
		WithNext("correct spec.ref.semverFilter; its syntax is that of Go: https://pkg.go.dev/regexp/syntax")
	tree, err := syntax.Parse(filter, syntax.Perl)
	if err != nil {
		return nil, invalid
	}
	if filterSize(tree) > maxFilter {
		return nil, problem.Invalid("the semverFilter %s repeats too much: written out, it has more than %d steps", problem.QuoteInput(filter), maxFilter).
			WithNext("write a simpler spec.ref.semverFilter, with * or + where a count is large")
	}
	compiled, err := regexp.Compile(filter)
	if err != nil {
		return nil, invalid
	}
	return compiled, nil
}

// filterSize returns about how many instructions an expression compiles to, at most a little more than maxFilter. It is
// known before anything is compiled, because that alone can take a second.
func filterSize(tree *syntax.Regexp) int {
	size := 1
	if tree.Op == syntax.OpLiteral {
		size = len(tree.Rune)
	}
	for _, sub := range tree.Sub {
		size = min(size+filterSize(sub), maxFilter+1)
	}
	if tree.Op == syntax.OpRepeat {
		size *= max(tree.Min+1, tree.Max)
	}
	return min(size, maxFilter+1)
}
