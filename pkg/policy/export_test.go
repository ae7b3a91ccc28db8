package policy

// MatchedOf returns the policies as if a chart had been matched by them.
func MatchedOf(policies ...*Policy) Matched { return newMatched(policies) }

// ExactIssuers are the issuers that are known to end without a slash.
func ExactIssuers() []string { return exactIssuers() }
