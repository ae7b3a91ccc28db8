package chart

import (
	"strings"

	"github.com/chartgate/chartgate/pkg/problem"
)

// Digest is the sha256 digest of some content. The zero value names nothing.
// Other algorithms are refused: cosign signs sha256 digests only.
type Digest struct{ hex string }

const digestPrefix = "sha256:"

// ParseDigest reads "sha256:" and 64 lower-case hexadecimal digits.
func ParseDigest(s string) (Digest, error) {
	hex, ok := strings.CutPrefix(s, digestPrefix)
	if !ok || len(hex) != 64 || strings.Trim(hex, "0123456789abcdef") != "" {
		return Digest{}, problem.Invalid("%s is not a digest of the form sha256:<64 hex digits>", Quote(s)).
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
