// Package docs holds the pages that the commands show. A package can embed only files below it, so it
// is beside them.
package docs

import _ "embed"

// Reasons is reasons.md: what each reason code means, with its causes and what to do.
//
//go:embed reasons.md
var Reasons string
