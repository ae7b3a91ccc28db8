package chart

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/chartgate/chartgate/pkg/problem"
)

// Dialect is the set of rules by which a consumer turns a version into a tag.
// The consumers differ, and chartgate must pick the very tag that they pick.
type Dialect int

const (
	// FluxHelm is source-controller's HelmChart with a HelmRepository of type oci
	// (internal/helm/repository/oci_chart_repository.go, v1.9): three dotted
	// parts are a literal tag, everything else is a range over strict versions.
	FluxHelm Dialect = iota + 1
	// FluxOCI is source-controller's OCIRepository (v1.9).
	FluxOCI
	// ArgoHelm is Argo CD's Helm-OCI source (reposerver, v2.14 and v3.2): whatever
	// parses as a version, even "1", is a literal tag, everything else a range.
	ArgoHelm
	// ArgoNative is Argo CD 3's oci:// source: the literal tag first, then a range.
	ArgoNative
	// Literal is chartgate's own command line: a tag as helm reads one in a reference ("+"
	// is "_"), a digest, or a range over the versions that helm takes for such.
	Literal
	// Git is a revision of a Git repository.
	Git
)

type selectorKind int

const (
	byTag selectorKind = iota + 1
	byDigest
	byRange
	byTagThenRange
	byRevision
)

// Selector chooses one version of a chart. It is comparable; the zero value
// chooses nothing and is refused by the registry.
type Selector struct {
	kind    selectorKind
	dialect Dialect
	text    string // as its author wrote it
	tag     string
	digest  Digest
	filter  string // regular expression on tags, FluxOCI only
	plus    bool   // FluxOCI: "_" in tags stands for "+"
	floats  bool   // the consumer resolves it again later
}

// maxTag bounds a tag: 128 characters, by the OCI distribution specification.
const maxTag = 128

// The specification's grammar of tags.
var tagGrammar = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)

// maxVersion bounds versions and ranges; real ones have some 40 characters.
const maxVersion = 256

// ParseFluxVersion reads spec.version of a HelmChart or spec.chart.spec.version
// of a HelmRelease whose source is an OCI HelmRepository. Empty means "*".
func ParseFluxVersion(version string) (Selector, error) {
	if version == "" {
		version = "*"
	}
	if _, err := parseFlux(version); err == nil {
		return literalVersion(FluxHelm, version)
	}
	return versionRange(FluxHelm, version)
}

// FluxRef is spec.ref of an OCIRepository.
type FluxRef struct {
	Digest, SemVer, SemVerFilter, Tag string
	// ChartLayer is set when spec.layerSelector.mediaType is Helm's chart layer:
	// only then does Flux read "_" in tags as "+".
	ChartLayer bool
}

// ParseFluxRef reads an OCIRepository's ref in Flux's order of precedence:
// digest, semver, tag, and "latest" where all are empty.
func ParseFluxRef(ref FluxRef) (Selector, error) {
	switch {
	case ref.Digest != "":
		return digestSelector(FluxOCI, ref.Digest, ref.Digest)
	case ref.SemVer != "":
		s, err := fluxSemVer(ref)
		if err != nil {
			return Selector{}, err
		}
		if _, err := compileFilter(ref.SemVerFilter); err != nil {
			return Selector{}, err
		}
		s.filter, s.plus = ref.SemVerFilter, ref.ChartLayer
		return s, nil
	case ref.Tag != "":
		return tagSelector(FluxOCI, ref.Tag, ref.Tag)
	default:
		return tagSelector(FluxOCI, "latest", "latest")
	}
}

// fluxSemVer reads spec.ref.semver. A version with "_" is a tag, which belongs elsewhere.
func fluxSemVer(ref FluxRef) (Selector, error) {
	s, err := versionRange(FluxOCI, ref.SemVer)
	version := strings.ReplaceAll(ref.SemVer, "_", "+")
	if _, isVersion := semver.NewVersion(version); err == nil || version == ref.SemVer || isVersion != nil || !tagGrammar.MatchString(ref.SemVer) {
		return s, err
	}
	return Selector{}, problem.Invalid("spec.ref.semver %s is the spelling of a tag: in a version, the underscore is written as +", problem.QuoteInput(ref.SemVer)).
		WithNext("name the tag: ref: {tag: %q}", ref.SemVer)
}

// ParseArgoHelmRevision reads targetRevision of a source with a chart and a
// repoURL without scheme. Argo CD refuses an empty one, and so does this.
func ParseArgoHelmRevision(revision string) (Selector, error) {
	if revision == "" {
		return Selector{}, problem.Invalid("targetRevision is empty").WithNext("set targetRevision to the chart's version")
	}
	if _, err := semver.NewVersion(revision); err == nil {
		return literalVersion(ArgoHelm, revision)
	}
	if strings.Contains(revision, "sha256:") {
		return Selector{}, problem.Invalid("targetRevision %s is a digest, which Argo CD's Helm sources refuse", problem.QuoteInput(revision)).
			WithNext("use a native source to pin a digest: repoURL: oci://…, without chart")
	}
	return versionRange(ArgoHelm, revision)
}

// ParseArgoNativeRevision reads targetRevision of a source whose repoURL starts
// with oci://: a digest, "tag@digest" (the digest decides), a tag, or a range.
func ParseArgoNativeRevision(revision string) (Selector, error) {
	switch {
	case revision == "":
		return Selector{}, problem.Invalid("targetRevision is empty").WithNext("set targetRevision to the chart's version or digest")
	case strings.Contains(revision, ":"):
		return parseTagAndDigest(ArgoNative, revision)
	case !tagGrammar.MatchString(revision):
		if _, err := semver.NewVersion(revision); err == nil {
			return tagSelector(ArgoNative, revision, revision) // with the hint about "+"
		}
		return versionRange(ArgoNative, revision)
	}
	s, err := tagSelector(ArgoNative, revision, revision)
	if err != nil {
		return Selector{}, err
	}
	if _, err := semver.NewVersion(revision); err == nil {
		return s, nil
	}
	if _, err := semver.NewConstraint(revision); err == nil {
		s.kind = byTagThenRange
	}
	return s, nil
}

// ParseTagOrDigest reads what follows a repository on chartgate's own command line:
// ":tag", "@sha256:…" or both, in which case the digest decides, or ":range". It reads
// all that Reference.String prints for any consumer. A text that may be both is the tag
// if there is one.
func ParseTagOrDigest(s string) (Selector, error) {
	if digest, ok := strings.CutPrefix(s, "@"); ok {
		return digestSelector(Literal, digest, digest)
	}
	text, digest, both := strings.Cut(strings.TrimPrefix(s, ":"), "@")
	switch {
	case both:
		if _, err := ParseTagOrDigest(text); err != nil {
			return Selector{}, err
		}
		return digestSelector(Literal, text+"@"+digest, digest)
	case strings.HasPrefix(text, digestPrefix):
		return digestSelector(Literal, text, text)
	}
	tag, err := literalVersion(Literal, text)
	if _, notVersion := semver.NewVersion(text); err == nil && notVersion == nil {
		return tag, nil
	}
	span, notRange := versionRange(Literal, text)
	switch {
	case notRange != nil:
		return tag, err
	case err != nil:
		return span, nil
	default:
		tag.kind = byTagThenRange
		return tag, nil
	}
}

// Floating returns s as a floating reference: its consumer resolves it again later, and the result
// is not verified.
func (s Selector) Floating() Selector {
	s.floats = true
	return s
}

// Unseen reports whether s floats because its consumer resolves it again later.
func (s Selector) Unseen() bool { return s.floats }

// At returns the selector of a digest, in s's dialect.
func (s Selector) At(digest Digest) Selector {
	return Selector{kind: byDigest, dialect: s.dialect, text: digest.String(), digest: digest}
}

// Digest returns the digest that s names, and whether it names one.
func (s Selector) Digest() (Digest, bool) { return s.digest, s.kind == byDigest }

// Tag returns the tag that s names. With a range to fall back on, it is to be
// looked up before the range.
func (s Selector) Tag() (string, bool) { return s.tag, s.kind == byTag || s.kind == byTagThenRange }

// IsRange reports whether Select may be needed to find the tag.
func (s Selector) IsRange() bool { return s.kind == byRange || s.kind == byTagThenRange }

// IsZero reports whether s chooses nothing.
func (s Selector) IsZero() bool { return s.kind == 0 }

// String returns the version as its author wrote it.
func (s Selector) String() string { return s.text }

func tagSelector(d Dialect, text, tag string) (Selector, error) {
	if !tagGrammar.MatchString(tag) {
		return Selector{}, noTag(d, text)
	}
	return Selector{kind: byTag, dialect: d, text: text, tag: tag}, nil
}

// noTag is the problem with a text that should be a tag, and cannot be one.
func noTag(d Dialect, text string) *problem.Error {
	if tag := strings.ReplaceAll(text, "+", "_"); tag != text && tagGrammar.MatchString(tag) {
		return problem.Invalid("%s is not a valid version or tag: no tag holds a +, and helm push writes an underscore for it", problem.QuoteInput(text)).
			WithNext("write %s", d.spelled(tag))
	}
	return problem.Invalid("%s is not a valid version or tag", problem.QuoteInput(text)).WithNext("write %s", d.spelled("1.2.3"))
}

// spelled returns how a consumer's object names a tag.
func (d Dialect) spelled(tag string) string {
	switch d {
	case FluxHelm:
		return fmt.Sprintf("version: %q", strings.ReplaceAll(tag, "_", "+"))
	case FluxOCI:
		return fmt.Sprintf("ref: {tag: %q}", tag)
	case ArgoHelm:
		return fmt.Sprintf("targetRevision: %q", strings.ReplaceAll(tag, "_", "+"))
	case ArgoNative:
		return fmt.Sprintf("targetRevision: %q", tag)
	default:
		return ":" + tag
	}
}

// literalVersion turns a version into its tag: registries allow no "+" in tags,
// and Helm pushes it as "_" (https://github.com/helm/helm/issues/10166).
func literalVersion(d Dialect, version string) (Selector, error) {
	return tagSelector(d, version, strings.ReplaceAll(version, "+", "_"))
}

func digestSelector(d Dialect, text, digest string) (Selector, error) {
	parsed, err := ParseDigest(digest)
	if err != nil {
		return Selector{}, err
	}
	return Selector{kind: byDigest, dialect: d, text: text, digest: parsed}, nil
}

func parseTagAndDigest(d Dialect, s string) (Selector, error) {
	tag, digest, both := strings.Cut(s, "@")
	switch {
	case !both && strings.HasPrefix(s, digestPrefix):
		return digestSelector(d, s, s)
	case !both:
		return tagSelector(d, s, s)
	case !tagGrammar.MatchString(tag):
		return Selector{}, problem.Invalid("%s is not a valid tag and digest", problem.QuoteInput(s)).
			WithNext("write %s, or %s", d.spelled("sha256:<64 hex digits>"), d.spelled("1.2.3@sha256:<64 hex digits>"))
	default:
		return digestSelector(d, s, digest)
	}
}

func versionRange(d Dialect, text string) (Selector, error) {
	if len(text) > maxVersion {
		return Selector{}, problem.Invalid("the version %s is longer than %d characters", problem.QuoteInput(text), maxVersion).
			WithNext("write one complete version, as in %s", d.spelled("1.2.3"))
	}
	if _, err := semver.NewConstraint(text); err != nil {
		return Selector{}, problem.Invalid("%s is neither a version nor a range of versions", problem.QuoteInput(text)).WithNext("%s", d.versionInstead(text))
	}
	return Selector{kind: byRange, dialect: d, text: text}, nil
}

// versionInstead is what helps where a consumer takes versions and ranges only.
func (d Dialect) versionInstead(text string) string {
	asTag := tagGrammar.MatchString(text)
	_, notVersion := semver.NewVersion(strings.ReplaceAll(text, "_", "+"))
	switch {
	case asTag && notVersion == nil && d != FluxOCI:
		return "write the version instead of its tag: " + d.spelled(text)
	case asTag && d == FluxOCI:
		return "name the tag: ref: " + fmt.Sprintf("{tag: %q}", text)
	case asTag && d == FluxHelm:
		return fmt.Sprintf("write one complete version, as in version: \"1.2.3\"; a tag such as %s can be named in an OCIRepository only", problem.QuoteInput(text))
	case asTag && d == ArgoHelm:
		return fmt.Sprintf("write one complete version, as in targetRevision: \"1.2.3\"; a tag such as %s can be named in a native source (oci://) only", problem.QuoteInput(text))
	default:
		return "write one complete version, as in 1.2.3"
	}
}

// parseFlux is github.com/fluxcd/pkg/version.ParseVersion: three dotted parts at
// least, otherwise as lenient as semver.NewVersion.
func parseFlux(v string) (*semver.Version, error) {
	if strings.Count(v, ".") < 2 {
		return nil, semver.ErrInvalidSemVer
	}
	return semver.NewVersion(v)
}
