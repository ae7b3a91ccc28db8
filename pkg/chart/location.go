package chart

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/chartgate/chartgate/pkg/problem"
)

// The schemes of a Location, as they are written in front of "://".
const (
	SchemeOCI    = "oci"
	SchemeHTTPS  = "https"
	SchemeHTTP   = "http"
	SchemeGit    = "git"    // a folder in a Git repository, whatever its transport
	SchemeBucket = "bucket" // a folder in an object store
)

// Docker Hub answers to several names; policies and caches know it by one.
const dockerHub = "docker.io"

const (
	// maxName bounds host and path of an OCI location together: 255 characters, the limit
	// that registries and go-containerregistry put on a repository name.
	maxName = 255
	// maxURL bounds the URL of a classic repository, with its query. RFC 9110 asks clients
	// and servers to support 8,000; presigned ones have some 500.
	maxURL = 2048
)

var (
	hostLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	// One path component as the OCI distribution specification defines it.
	ociSegment = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*$`)
)

// Location is where charts live, without a version: one chart
// ("oci://ghcr.io/acme/charts/podinfo") or a repository of charts
// ("oci://ghcr.io/acme/charts", "https://charts.acme.example"), or a folder in a Git repository or
// a bucket ("git://github.com/acme/apps//charts/web"). It is canonical:
// two locations are the same place exactly if they are ==. The zero value is no
// place.
type Location struct {
	scheme, host, path string
	// query is set where the URL of a classic repository has one. Its text is not kept: it
	// may be a token.
	query bool
}

// ParseLocation reads a URL of a chart or of a repository of charts. In oci:// it refuses
// what it would have to interpret: user info, query, fragment, percent-encoding,
// upper-case hosts, empty or dotted path segments, tags and digests. It folds
// Docker Hub's names into docker.io. https:// and http:// locations keep what their
// consumers keep, in one spelling (see parseClassic). The scheme's default port is dropped.
// git:// and bucket:// are chartgate's own names (see ParseGitURL and ParseBucket for what objects
// hold), in which no port is a default one.
func ParseLocation(s string) (Location, error) {
	scheme, rest, found := strings.Cut(s, "://")
	if !found {
		return Location{}, problem.Invalid("%s has no scheme; a chart's location starts with oci:// or https://", problem.QuoteInput(s)).
			WithNext("write the scheme in front, as in oci://ghcr.io/acme/charts/podinfo")
	}
	switch scheme {
	case SchemeOCI:
		return parseOCI(rest, s)
	case SchemeHTTPS, SchemeHTTP:
		return parseClassic(scheme, rest, s)
	case SchemeGit, SchemeBucket:
		return parseTree(scheme, rest, s)
	default:
		return Location{}, problem.Invalid("%s has an unknown scheme; charts come from oci:// or https://", problem.QuoteInput(s)).
			WithNext("write oci:// or https://, in lower case")
	}
}

func parseOCI(rest, s string) (Location, error) {
	host, path, _ := strings.Cut(rest, "/")
	l := Location{scheme: SchemeOCI, path: path}
	if err := checkCharacters(s); err != nil {
		return Location{}, err
	}
	var err error
	if l.host, err = parseHost(host, defaultTLSPort, false, s); err != nil {
		return Location{}, err
	}
	l.host = registryOf(l.host)
	if path != "" {
		if err := l.checkPath(s); err != nil {
			return Location{}, err
		}
	}
	return l, nil
}

// Join returns the location of the chart called name below l. As in Flux, the
// name may hold several segments in an OCI registry; each must be canonical, so
// "../other" is refused instead of resolved. In a classic repository the name is a key of
// its index, which nothing decodes. In a Git repository or a bucket it is a folder.
func (l Location) Join(name string) (Location, error) {
	if name == "" {
		return Location{}, problem.Invalid("the chart below %s has an empty name", l).WithNext("name the chart")
	}
	switch {
	case l.IsClassic():
		return l.joinClassic(name)
	case l.IsTree():
		return l.Folder(name)
	}
	joined := l.String() + "/" + name
	child, err := ParseLocation(joined)
	if err != nil {
		return Location{}, err
	}
	return child, child.checkChart(joined)
}

// ParseChart reads the URL of one chart: a Location with a path.
func ParseChart(s string) (Location, error) {
	l, err := ParseLocation(s)
	if err != nil {
		return Location{}, err
	}
	if err := l.checkChart(s); err != nil {
		return Location{}, err
	}
	return l, nil
}

// IsOCI reports whether l lies in an OCI registry. Only such charts can carry
// signatures.
func (l Location) IsOCI() bool { return l.scheme == SchemeOCI }

// IsClassic reports whether l lies in a classic repository, an index over HTTP.
func (l Location) IsClassic() bool { return l.scheme == SchemeHTTPS || l.scheme == SchemeHTTP }

// IsZero reports whether l is no place.
func (l Location) IsZero() bool { return l == Location{} }

// Scheme returns one of the schemes, without "://".
func (l Location) Scheme() string { return l.scheme }

// Host returns the host, with its port where that is not the default one.
func (l Location) Host() string { return l.host }

// Path returns the path without a leading slash; in a Git repository or a bucket, it may hold one "//".
func (l Location) Path() string { return l.path }

// Name returns the last path segment: the chart's own name.
func (l Location) Name() string { return l.path[strings.LastIndexByte(l.path, '/')+1:] }

// HasQuery reports whether the URL of a classic repository has a query.
func (l Location) HasQuery() bool { return l.query }

// String returns the canonical URL. A query is shown as "?*", whatever it says.
func (l Location) String() string {
	if l.IsZero() {
		return ""
	}
	text := l.scheme + "://" + l.host
	if l.path != "" {
		text += "/" + l.path
	}
	if l.query {
		text += anyQuery
	}
	return text
}

func checkCharacters(s string) error {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f {
			return problem.Invalid("%s holds a character that no chart location has", problem.QuoteInput(s)).
				WithNext("remove blanks and control characters; write an international host name in its ASCII form (xn--…)")
		}
	}
	if len(s) > maxName+len("oci://") {
		return problem.Invalid("%s is longer than %d characters", problem.QuoteInput(s), maxName).WithNext("use a repository with a shorter name")
	}
	if strings.ContainsAny(s, `%?#@\`) {
		return problem.Invalid("%s must be plain: without user info, query, fragment, percent-encoding, tag or digest", problem.QuoteInput(s)).
			WithNext("write oci://host/path alone; a version or digest has a field of its own, and a login belongs into a Secret")
	}
	return nil
}

func (l Location) checkPath(s string) error {
	for part := range strings.SplitSeq(l.path, "/") {
		switch {
		case part == "":
			return emptySegment(s)
		case part == "." || part == "..":
			return dottedSegment(s, part)
		case strings.Contains(part, ":"):
			return tagInside(s, part)
		case !ociSegment.MatchString(part):
			return problem.Invalid("%s has the path segment %s, which is not a valid repository name", problem.QuoteInput(s), problem.QuoteInput(part)).
				WithNext("write the name as the registry knows it: lower-case letters, digits, and single . _ - between them")
		}
	}
	return nil
}

func emptySegment(s string) *problem.Error {
	return problem.Invalid("%s has an empty path segment", problem.QuoteInput(s)).WithNext("remove the slash at the end, or the second of two")
}

func dottedSegment(s, part string) *problem.Error {
	return problem.Invalid("%s has the path segment %q; write the location that is meant", problem.QuoteInput(s), part).
		WithNext("write the path without . and .. in it")
}

func tagInside(s, part string) *problem.Error {
	return problem.Invalid("%s must not contain a tag; remove %s", problem.QuoteInput(s), problem.QuoteInput(part[strings.IndexByte(part, ':'):])).
		WithNext("name the version in its own field: version, ref.tag or targetRevision")
}

func (l Location) checkChart(s string) error {
	if l.path == "" {
		return problem.Invalid("%s names a registry but no chart in it", problem.QuoteInput(s)).WithNext("append the path and name of the chart")
	}
	// Flux reads docker.io/x as docker.io/library/x, Helm and Argo CD do not.
	if l.scheme == SchemeOCI && l.host == dockerHub && !strings.Contains(l.path, "/") {
		return problem.Invalid("%s lacks the namespace that Docker Hub needs, as in oci://docker.io/acme/%s", problem.QuoteInput(s), l.path).
			WithNext("write the namespace: oci://docker.io/NAMESPACE/%s", l.path)
	}
	return nil
}

// defaultTLSPort is that of https://, and of oci://.
const defaultTLSPort = "443"

// parseHost reads a host name and an optional port, of which the default one is dropped.
func parseHost(host, defaultPort string, underscore bool, s string) (string, error) {
	name, port, hasPort := strings.Cut(host, ":")
	if hasPort {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
			return "", problem.Invalid("%s has an invalid port", problem.QuoteInput(s)).WithNext("write the port as a number from 1 to 65535, or leave it out")
		}
	}
	if !validHostName(name, underscore) {
		return "", problem.Invalid("%s has no valid lower-case host name", problem.QuoteInput(s)).
			WithNext("write the host as its DNS name, in lower case and without a dot at the end, or as an IPv4 address of four numbers")
	}
	if !hasPort || port == defaultPort {
		return name, nil
	}
	return name + ":" + port, nil
}

// registryOf folds the names of Docker Hub, with any port, into one.
func registryOf(host string) string {
	name, port, hasPort := strings.Cut(host, ":")
	switch name {
	case "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com":
		name = dockerHub
	}
	if hasPort {
		name += ":" + port
	}
	return name
}

// validHostName accepts DNS names and dotted IPv4 addresses. A last label of
// digits makes resolvers read the name as an IPv4 address, in forms (octal,
// short, a single number) that differ between them: only the plain form passes.
func validHostName(name string, underscore bool) bool {
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if underscore {
			label = strings.ReplaceAll(label, "_", "x")
		}
		if !hostLabel.MatchString(label) {
			return false
		}
	}
	if last := labels[len(labels)-1]; last[0] >= '0' && last[0] <= '9' {
		_, err := netip.ParseAddr(name)
		return err == nil
	}
	return true
}
