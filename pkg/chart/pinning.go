package chart

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/chartgate/chartgate/pkg/problem"
)

// Pinning says how firmly a reference names its content. The order is from
// loose to firm, so levels compare with <.
type Pinning int

const (
	// Floating references mean other content tomorrow: ranges, "latest",
	// branch-like tags, incomplete versions. It is the zero value: what is not
	// known to be pinned floats.
	Floating Pinning = iota
	// Version references are one complete version, which their consumer takes as a
	// literal tag. A registry can still be made to move such a tag.
	Version
	// ByDigest references name the content itself.
	ByDigest
)

// String returns the level as policies spell it.
func (p Pinning) String() string {
	switch p {
	case Version:
		return "Version"
	case ByDigest:
		return "Digest"
	default:
		return "Floating"
	}
}

// completeVersion is three numbers or more, and what may follow them in a tag. Helm,
// Flux and Argo CD take more than semantic versions: 2024.03.01 has a leading zero. By
// convention, tags with fewer numbers (1, 1.0, 2024-03-01) are moved, as "latest" is.
var completeVersion = regexp.MustCompile(`^v?[0-9]+(\.[0-9]+){2,}([-_+][0-9A-Za-z][0-9A-Za-z._+-]*)?$`)

// Pinning returns how firmly s names its content. A version is pinned only where its
// consumer takes the text as one tag, whatever other tags there are.
func (s Selector) Pinning() Pinning {
	switch {
	case s.floats:
		return Floating
	case s.kind == byDigest:
		return ByDigest
	case s.kind == byRevision:
		return s.gitPinning()
	case s.kind == byTag && completeVersion.MatchString(s.tag):
		return Version
	default:
		return Floating
	}
}

// Looseness says why s is no digest, in one clause, and how its author names one
// complete version instead: an act in the imperative.
func (s Selector) Looseness() (why, next string) {
	next = "write one complete version, as in " + s.dialect.spelled("1.2.3")
	only, single := s.onlyVersion()
	_, notVersion := semver.NewVersion(s.text)
	switch {
	case s.floats:
		return "the sync names no revision, or one that a retry resolves again, so Argo CD would look it up later, without the gate",
			"sync to a concrete revision, as the CLI of Argo CD does, without retry.refresh, or pin the source: " + s.dialect.settled()
	case s.Pinning() == Version:
		return "a tag can be moved to other content", next
	case s.IsRange() && single:
		return fmt.Sprintf("%s is read as a range, though it holds one version only: several tags can match it", problem.QuoteInput(s.text)),
			"name the version itself: " + s.dialect.spelled(strings.ReplaceAll(only, "+", "_"))
	case s.kind == byRange && s.text == "*":
		return `no version, or "*", names the newest one`, next
	case s.kind == byRange && notVersion == nil:
		return problem.QuoteInput(s.text) + " is an incomplete version, which is read as a range, and names other content tomorrow", next
	case s.kind == byRange:
		return problem.QuoteInput(s.text) + " is a range of versions, and names other content tomorrow", next
	case s.kind == byTagThenRange:
		return problem.QuoteInput(s.text) + " is a floating tag or a range of versions, and names other content tomorrow", next
	case s.text == "latest":
		return `the tag "latest" names other content tomorrow`, next
	case notVersion == nil:
		return problem.QuoteInput(s.text) + " is a tag with an incomplete version, and such tags are moved to other content", next
	default:
		return problem.QuoteInput(s.text) + " is a tag without a complete version, and such tags are moved to other content", next
	}
}

// settled returns how an Argo CD source names what a sync without a revision may deploy.
func (d Dialect) settled() string {
	if d == ArgoNative {
		return d.spelled("sha256:<64 hex digits>")
	}
	return d.spelled("1.2.3")
}

// onlyVersion returns the version in a range that was meant to be one: "=1.2.3",
// " 1.2.3", "1.2.3 - 1.2.3", or a plain version where the consumer reads ranges only.
func (s Selector) onlyVersion() (string, bool) {
	low, high, _ := strings.Cut(s.text, " - ")
	version := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(low), "="))
	if high = strings.TrimSpace(high); high != "" && high != version {
		return "", false
	}
	return version, completeVersion.MatchString(version) && tagGrammar.MatchString(strings.ReplaceAll(version, "+", "_"))
}
