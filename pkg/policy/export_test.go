package policy

// MatchedOf returns the policies as if a chart had been matched by them.
func MatchedOf(policies ...*Policy) Matched { return newMatched(policies) }
