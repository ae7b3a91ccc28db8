package problem

import (
	"regexp"
	"strconv"
)

// maxQuoted bounds how much of a user's input is repeated in a message, so that a
// denial stays far below the 4 KiB that Flux conditions and events can take.
const maxQuoted = 200

// Where URLs keep secrets: in front of the host, also where the scheme has been
// left out, and behind the path. "1.0.0@sha256:…" is no URL.
var (
	userInfo = regexp.MustCompile(`^([A-Za-z0-9+.-]+://)[^/?#]*@|^[^/?#@]*:[^/?#]*@`)
	query    = regexp.MustCompile(`(://[^?]*\?).*`)
)

// QuoteInput returns user input in a form that is safe to print: quoted, with control
// and non-ASCII characters escaped, cut at 200 bytes, and without what may be a
// password or token in a URL.
func QuoteInput(s string) string {
	s = query.ReplaceAllString(userInfo.ReplaceAllString(s, "$1***@"), "$1***")
	if len(s) > maxQuoted {
		return strconv.QuoteToASCII(s[:maxQuoted]) + "…"
	}
	return strconv.QuoteToASCII(s)
}
