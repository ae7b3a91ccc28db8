package chart

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// The schemes of a Location, as they are written in front of "://".
const (
	SchemeOCI   = "oci"
	SchemeHTTPS = "https"
	SchemeHTTP  = "http"
)

// Docker Hub answers to several names; policies and caches know it by one.
const dockerHub = "docker.io"

// maxName bounds host and path together: 255 characters, the limit that
// registries and go-containerregistry put on a repository name.
const maxName = 255

var (
	hostLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	// One path component as the OCI distribution specification defines it.
	ociSegment = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*$`)
	// Classic repositories are plain URLs: any unreserved character.
	urlSegment = regexp.MustCompile(`^[A-Za-z0-9._~+-]+$`)
)

// Location is where charts live, without a version: one chart
// ("oci://ghcr.io/acme/charts/podinfo") or a repository of charts
// ("oci://ghcr.io/acme/charts", "https://charts.acme.example"). It is canonical:
// two locations are the same place exactly if they are ==. The zero value is no
// place.
type Location struct{ scheme, host, path string }

// ParseLocation reads a URL of a chart or of a repository of charts. It refuses
// what it would have to interpret: user info, query, fragment, percent-encoding,
// upper-case hosts, empty or dotted path segments, tags and digests. It folds
// Docker Hub's names into docker.io and drops the scheme's default port.
func ParseLocation(s string) (Location, error) {
	scheme, rest, found := strings.Cut(s, "://")
	if !found {
		return Location{}, Invalid("%s has no scheme; a chart's location starts with oci:// or https://", Quote(s))
	}
	host, path, _ := strings.Cut(rest, "/")
	l := Location{scheme: scheme, path: path}
	if err := l.checkCharacters(s); err != nil {
		return Location{}, err
	}
	var err error
	if l.host, err = parseHost(scheme, host, s); err != nil {
		return Location{}, err
	}
	if path != "" {
		if err := l.checkPath(s); err != nil {
			return Location{}, err
		}
	}
	return l, nil
}

// Join returns the location of the chart called name below l. As in Flux, the
// name may hold several segments; each must be canonical, so "../other" is
// refused instead of resolved.
func (l Location) Join(name string) (Location, error) {
	if name == "" {
		return Location{}, Invalid("the chart below %s has an empty name", l)
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

// IsZero reports whether l is no place.
func (l Location) IsZero() bool { return l == Location{} }

// Scheme returns "oci", "https" or "http".
func (l Location) Scheme() string { return l.scheme }

// Host returns the host, with its port where that is not the default one.
func (l Location) Host() string { return l.host }

// Path returns the path without a leading slash.
func (l Location) Path() string { return l.path }

// Name returns the last path segment: the chart's own name.
func (l Location) Name() string { return l.path[strings.LastIndexByte(l.path, '/')+1:] }

// String returns the canonical URL.
func (l Location) String() string {
	if l.IsZero() {
		return ""
	}
	if l.path == "" {
		return l.scheme + "://" + l.host
	}
	return l.scheme + "://" + l.host + "/" + l.path
}

func (l Location) checkCharacters(s string) error {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f {
			return Invalid("%s holds a character that no chart location has", Quote(s))
		}
	}
	if len(s) > maxName+len("https://") {
		return Invalid("%s is longer than %d characters", Quote(s), maxName)
	}
	if strings.ContainsAny(s, `%?#@\`) {
		return Invalid("%s must be plain: without user info, query, fragment, percent-encoding, tag or digest", Quote(s))
	}
	return nil
}

func (l Location) checkPath(s string) error {
	segment := ociSegment
	if l.scheme != SchemeOCI {
		segment = urlSegment
	}
	for part := range strings.SplitSeq(l.path, "/") {
		switch {
		case part == "":
			return Invalid("%s has an empty path segment", Quote(s))
		case part == "." || part == "..":
			return Invalid("%s has the path segment %q; write the location that is meant", Quote(s), part)
		case strings.Contains(part, ":"):
			return Invalid("%s must not contain a tag; remove %s", Quote(s), Quote(part[strings.IndexByte(part, ':'):]))
		case !segment.MatchString(part):
			return Invalid("%s has the path segment %s, which is not a valid repository name", Quote(s), Quote(part))
		}
	}
	return nil
}

func (l Location) checkChart(s string) error {
	if l.path == "" {
		return Invalid("%s names a registry but no chart in it", Quote(s))
	}
	// Flux reads docker.io/x as docker.io/library/x, Helm and Argo CD do not.
	if l.scheme == SchemeOCI && l.host == dockerHub && !strings.Contains(l.path, "/") {
		return Invalid("%s lacks the namespace that Docker Hub needs, as in oci://docker.io/acme/%s", Quote(s), l.path)
	}
	return nil
}

func parseHost(scheme, host, s string) (string, error) {
	defaultPort := map[string]string{SchemeOCI: "443", SchemeHTTPS: "443", SchemeHTTP: "80"}[scheme]
	if defaultPort == "" {
		return "", Invalid("%s has an unknown scheme; charts come from oci:// or https://", Quote(s))
	}
	name, port, hasPort := strings.Cut(host, ":")
	if hasPort {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
			return "", Invalid("%s has an invalid port", Quote(s))
		}
	}
	if !validHostName(name) {
		return "", Invalid("%s has no valid lower-case host name", Quote(s))
	}
	switch name {
	case "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com":
		name = dockerHub
	}
	if !hasPort || port == defaultPort {
		return name, nil
	}
	return name + ":" + port, nil
}

// validHostName accepts DNS names and dotted IPv4 addresses. A last label of
// digits makes resolvers read the name as an IPv4 address, in forms (octal,
// short, a single number) that differ between them: only the plain form passes.
func validHostName(name string) bool {
	labels := strings.Split(name, ".")
	for _, label := range labels {
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
