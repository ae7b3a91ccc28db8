package chart

import (
	"regexp"
	"strings"

	"github.com/chartgate/chartgate/pkg/problem"
)

// FluxGitRef is spec.ref of a GitRepository.
type FluxGitRef struct{ Commit, Name, SemVer, Tag, Branch string }

// refMark stands between the location of a folder in a Git repository and its revision.
const refMark = "?ref="

// commitGrammar is a whole commit, by SHA-1 or SHA-256.
var commitGrammar = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// ParseFluxGitRef reads a GitRepository's ref in Flux's order of precedence: commit, name, semver,
// tag, branch. Only branches and tags pass: on many hosts anyone can put content under other names,
// as refs/pull/1/head is that of the author of a pull request.
func ParseFluxGitRef(ref FluxGitRef) (Selector, error) {
	switch {
	case ref.Commit != "":
		return ParseGitRevision(ref.Commit)
	case ref.Name != "":
		branch, isBranch := strings.CutPrefix(ref.Name, "refs/heads/")
		tag, isTag := strings.CutPrefix(strings.TrimSuffix(ref.Name, "^{}"), "refs/tags/")
		if !isBranch && !isTag || branch == "" || tag == "" {
			return Selector{}, problem.Invalid("spec.ref.name %s is neither a branch nor a tag, so who can write it is not known", problem.QuoteInput(ref.Name)).
				WithNext("name a branch or a tag: refs/heads/… or refs/tags/…")
		}
		if isTag {
			return ParseGitRevision(tag)
		}
		return gitBranch(branch)
	case ref.SemVer != "":
		return gitBranch(ref.SemVer)
	case ref.Tag != "":
		return ParseGitRevision(ref.Tag)
	default:
		return gitBranch(ref.Branch)
	}
}

// ParseGitRevision reads a commit, a tag or a branch, as Argo CD's targetRevision names one of them
// without saying which; "" is the repository's own default.
func ParseGitRevision(revision string) (Selector, error) {
	s, err := gitBranch(revision)
	s.tag = s.text
	return s, err
}

// gitBranch is a revision that is known to float: a branch, or a range of tags.
func gitBranch(revision string) (Selector, error) {
	if len(revision) > maxVersion {
		return Selector{}, problem.Invalid("the revision %s is longer than %d characters", problem.QuoteInput(revision), maxVersion).
			WithNext("name the commit, the tag or the branch")
	}
	for _, c := range []byte(revision) {
		if c < ' ' || c == 0x7f {
			return Selector{}, problem.Invalid("the revision %s holds a control character", problem.QuoteInput(revision)).
				WithNext("name the commit, the tag or the branch")
		}
	}
	return Selector{kind: byRevision, dialect: Git, text: revision}, nil
}

// AsStored is the selector of what has no versions: a bucket.
func AsStored() Selector { return Selector{kind: byRevision, dialect: Git} }

// gitPinning takes a commit for a digest, which it is, and a tag with a complete version for one.
func (s Selector) gitPinning() Pinning {
	switch {
	case s.tag == "":
		return Floating
	case commitGrammar.MatchString(s.tag):
		return ByDigest
	case completeVersion.MatchString(s.tag):
		return Version
	default:
		return Floating
	}
}

// parseTreeReference reads a folder in a Git repository or a bucket, with an optional revision.
func parseTreeReference(s string) (Reference, error) {
	where, revision, named := strings.Cut(s, refMark)
	location, err := ParseChart(where)
	if err != nil {
		return Reference{}, err
	}
	if named && location.Scheme() != SchemeGit {
		return Reference{}, problem.Invalid("%s has a revision, which a bucket has not", problem.QuoteInput(s)).WithNext("remove %s and what follows it", refMark)
	}
	selector, err := ParseGitRevision(revision)
	if err != nil {
		return Reference{}, err
	}
	return Reference{Location: location, Selector: selector}, nil
}
