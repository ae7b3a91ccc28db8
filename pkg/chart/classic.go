package chart

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/chartgate/chartgate/pkg/problem"
)

// anyQuery stands for the query of a classic repository's URL, in Location.String and in
// the patterns of policies.
const anyQuery = "?*"

// EncodedSlash is a slash inside one path segment, in its canonical spelling. Some servers
// take it for a slash, and some (GitLab) do not.
const EncodedSlash = "%2F"

// plainSegment is what RFC 3986 calls unreserved, and "+": in a path, servers read these the
// same with and without percent-encoding.
var plainSegment = regexp.MustCompile(`^[A-Za-z0-9._~+-]+$`)

// parseClassic reads the URL of a classic repository. No chart in it can be verified, so
// all that is needed is one spelling for one place, by which a waiver can name it:
//   - the host in lower case, underscores allowed, without the default port;
//   - no slash at the end (Flux and Argo CD append /index.yaml to what is left of it);
//   - percent-encoding in upper case, and only of characters that need it: %2F stays, and is
//     another place than "/"; %41 is A; "=" is %3D;
//   - a query as "?*".
//
// What servers read in more than one way is refused: user info, fragment, ".", ".." and
// empty segments (also behind %2F and %2E), ";", backslash, ":", an encoded % and encoded
// control characters.
func parseClassic(scheme, rest, s string) (Location, error) {
	if err := checkURL(s); err != nil {
		return Location{}, err
	}
	rest, _, query := strings.Cut(rest, "?")
	host, path, _ := strings.Cut(rest, "/")
	if strings.Contains(host, "@") {
		return Location{}, problem.Invalid("%s must be plain: without user info", problem.QuoteInput(s)).
			WithNext("take user name and password out of the URL, and put them into the Secret of the repository")
	}
	port := defaultTLSPort
	if scheme == SchemeHTTP {
		port = "80"
	}
	host, err := parseHost(strings.ToLower(host), port, true, s)
	if err != nil {
		return Location{}, err
	}
	l := Location{scheme: scheme, host: host, query: query}
	if path = strings.TrimRight(path, "/"); path == "" {
		return l, nil
	}
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		if segments[i], err = classicSegment(segment, s); err != nil {
			return Location{}, err
		}
	}
	if l.path = strings.Join(segments, "/"); len(l.String()) > maxURL {
		return Location{}, longURL(s)
	}
	return l, nil
}

func longURL(s string) *problem.Error {
	return problem.Invalid("%s is longer than %d characters", problem.QuoteInput(s), maxURL).WithNext("use a shorter URL")
}

func checkURL(s string) error {
	if len(s) > maxURL {
		return longURL(s)
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f {
			return problem.Invalid("%s holds a character that no chart location has", problem.QuoteInput(s)).
				WithNext("percent-encode it; write an international host name in its ASCII form (xn--…)")
		}
	}
	if strings.ContainsAny(s, `#\`) {
		return problem.Invalid("%s must be plain: without fragment and backslash", problem.QuoteInput(s)).WithNext("remove # and what follows it, and backslashes")
	}
	return nil
}

// classicSegment returns the canonical spelling of a path segment of s.
func classicSegment(segment, s string) (string, error) {
	var canonical, decoded strings.Builder
	for i := 0; i < len(segment); i++ {
		c := segment[i]
		if c == ':' {
			return "", tagInside(s, segment)
		}
		if c == '%' {
			code, err := strconv.ParseUint(segment[i+1:min(i+3, len(segment))], 16, 8)
			if err != nil || i+3 > len(segment) || strings.ContainsAny(segment[i+1:i+3], "+-_") {
				return "", problem.Invalid("%s has a percent sign that encodes nothing", problem.QuoteInput(s)).WithNext("write %% and two hexadecimal digits, as in %%2F")
			}
			c, i = byte(code), i+2
			if c < ' ' || c == 0x7f || c == '%' || c == '\\' || c == ';' {
				return "", ambiguousSegment(s, segment)
			}
		} else if c == ';' {
			return "", ambiguousSegment(s, segment)
		}
		decoded.WriteByte(c)
		canonical.WriteString(encodedByte(c))
	}
	for part := range strings.SplitSeq(decoded.String(), "/") {
		switch part {
		case "":
			return "", emptySegment(s)
		case ".", "..":
			return "", dottedSegment(s, part)
		}
	}
	return canonical.String(), nil
}

// encodedByte returns a byte of a path in its canonical spelling.
func encodedByte(c byte) string {
	if plainSegment.MatchString(string(rune(c))) {
		return string(rune(c))
	}
	return "%" + strings.ToUpper(strconv.FormatUint(uint64(c)+0x100, 16)[1:])
}

func ambiguousSegment(s, segment string) *problem.Error {
	return problem.Invalid("%s has the path segment %s, which servers read in different ways", problem.QuoteInput(s), problem.QuoteInput(segment)).
		WithNext("write the path without semicolons, backslashes, control characters and an encoded percent sign")
}

// joinClassic returns the chart with the key name in the repository's index.
func (l Location) joinClassic(name string) (Location, error) {
	switch {
	case name == "." || name == "..":
		return Location{}, dottedSegment(l.String()+"/"+name, name)
	case len(name) > maxName:
		return Location{}, problem.Invalid("the chart name %s is longer than %d characters", problem.QuoteInput(name), maxName).WithNext("correct the chart's name")
	case !plainSegment.MatchString(name):
		return Location{}, problem.Invalid("the chart below %s has the name %s, which no chart can have", l, problem.QuoteInput(name)).
			WithNext("write the chart's name as the repository's index has it")
	}
	if l.path = strings.TrimPrefix(l.path+"/"+name, "/"); len(l.String()) > maxURL {
		return Location{}, longURL(l.String())
	}
	return l, nil
}
