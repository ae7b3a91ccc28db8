package chart

import "strconv"

// maxQuoted bounds how much of a user's input is repeated in a message, so that
// a denial stays far below the 4 KiB that Flux conditions and events can take.
const maxQuoted = 200

// Quote returns user input in a form that is safe to print: quoted, with
// control and non-ASCII characters escaped, and cut at 200 bytes.
func Quote(s string) string {
	if len(s) > maxQuoted {
		return strconv.QuoteToASCII(s[:maxQuoted]) + "…"
	}
	return strconv.QuoteToASCII(s)
}
