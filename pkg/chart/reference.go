// Package chart names charts: where they are (Location), which version a consumer asks for (Selector),
// and how firmly that names the content (Pinning). It is pure.
//
// Every parser in it returns either a canonical value or a *problem.Error. There is one spelling for
// one chart, so that a policy that matches the spelling matches the chart.
package chart

import (
	"strings"

	"github.com/chartgate/chartgate/pkg/problem"
)

// Reference is one version of one chart, as a consumer asks for it. The zero
// value refers to nothing.
type Reference struct {
	Location Location
	Selector Selector
}

// ParseReference reads "oci://host/path:tag", "oci://host/path@sha256:…",
// "oci://host/path:tag@sha256:…" and the same with a range in place of the tag: whatever
// Reference.String prints. The revision of a Git repository follows "?ref=".
func ParseReference(s string) (Reference, error) {
	if strings.HasPrefix(s, SchemeGit+"://") || strings.HasPrefix(s, SchemeBucket+"://") {
		return parseTreeReference(s)
	}
	if _, rest, _ := strings.Cut(s, "://"); strings.Contains(rest[:strings.IndexByte(rest+"/", '/')], "@") {
		// A user name: what follows it is no digest.
		if _, err := ParseLocation(s); err != nil {
			return Reference{}, err
		}
	}
	where, version := s, ""
	if i := strings.IndexByte(s, '@'); i >= 0 {
		where, version = s[:i], s[i:]
	}
	if slash, colon := strings.LastIndexByte(where, '/'), strings.LastIndexByte(where, ':'); colon > slash {
		where, version = where[:colon], where[colon:]+version
	}
	location, err := ParseChart(where)
	if err != nil {
		return Reference{}, err
	}
	if version == "" {
		return Reference{}, problem.Invalid("%s has neither a version nor a digest", problem.QuoteInput(s)).
			WithNext("append the version or the digest: %s:1.2.3, or %s@sha256:<64 hex digits>", location, location)
	}
	selector, err := ParseTagOrDigest(version)
	if err != nil {
		return Reference{}, err
	}
	return Reference{Location: location, Selector: selector}, nil
}

// IsZero reports whether r refers to nothing.
func (r Reference) IsZero() bool { return r == Reference{} }

// String returns the reference for people: "location:version", "location@digest",
// "location?ref=revision" or the location alone.
func (r Reference) String() string {
	text := r.Selector.String()
	switch {
	case text == "":
		return r.Location.String()
	case r.Selector.kind == byRevision:
		return r.Location.String() + refMark + text
	case strings.HasPrefix(text, digestPrefix):
		return r.Location.String() + "@" + text
	default:
		return r.Location.String() + ":" + text
	}
}

// Digest is the sha256 digest of some content. The zero value names nothing.
// Other algorithms are refused: cosign signs sha256 digests only.
type Digest struct{ hex string }

const digestPrefix = "sha256:"

// ParseDigest reads "sha256:" and 64 lower-case hexadecimal digits.
func ParseDigest(s string) (Digest, error) {
	hex, ok := strings.CutPrefix(s, digestPrefix)
	if !ok || len(hex) != 64 || strings.Trim(hex, "0123456789abcdef") != "" {
		return Digest{}, problem.Invalid("%s is not a digest of the form sha256:<64 hex digits>", problem.QuoteInput(s)).
			WithNext("write the digest that helm push printed: sha256: and 64 lower-case hexadecimal digits")
	}
	return Digest{hex: hex}, nil
}

// String returns "sha256:…", or "" for the zero value.
func (d Digest) String() string {
	if d.IsZero() {
		return ""
	}
	return digestPrefix + d.hex
}

// Hex returns the 64 digits alone, as registries use them in fallback tags.
func (d Digest) Hex() string { return d.hex }

// IsZero reports whether d names nothing.
func (d Digest) IsZero() bool { return d.hex == "" }
