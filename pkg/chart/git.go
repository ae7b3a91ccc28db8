package chart

import (
	"regexp"
	"strings"

	"github.com/chartgate/chartgate/pkg/problem"
)

// Charts in Git repositories and buckets are folders, and carry no signature. All that is needed is
// one name for one folder, by which a waiver can speak of it:
//
//	git://github.com/acme/apps//charts/web
//	bucket://minio.acme.example/charts//web
//
// The host and the repository come first, whatever the transport; "//" separates them from the
// folder. Neither side has an empty segment, so the first "//" is the only one: no repository and no
// folder can be named so that it looks like another repository. A chart at the top of a repository
// has the name of the repository.

// treeSeparator stands between a repository and a folder in it.
const treeSeparator = "//"

// IsTree reports whether l is a folder in a Git repository or a bucket.
func (l Location) IsTree() bool { return l.scheme == SchemeGit || l.scheme == SchemeBucket }

// gitPorts are the transports of Git with their default ports. A name has no transport, so a port
// that is the default one of its transport is dropped, and every other port stays.
var gitPorts = map[string]string{"https": "443", "http": "80", "ssh": "22", "git": "9418"}

// userInfo is what RFC 3986 allows in front of the @.
var userInfo = regexp.MustCompile(`^[A-Za-z0-9._~!$&'()*+,;=:%-]+$`)

// ParseGitURL reads the URL of a Git repository as a GitRepository or an Application has it: with
// https://, http://, ssh:// or git://, or in the form of scp, git@host:path. It returns the same
// location for all of them: the host in lower case, the path without ".git" and slashes at its end,
// without user and password. plain is set where the transport does not prove which server answers.
//
// Refused is what Git's clients or servers read in more than one way: "." and "..", empty segments
// in the path, encoded slashes, a query, a fragment, a second @, colons, IPv6 addresses and short
// or octal IPv4 addresses. The case of the path stays, though some servers (GitHub) ignore it.
func ParseGitURL(s string) (l Location, plain bool, err error) {
	if err := checkURL(s); err != nil {
		return Location{}, false, err
	}
	if strings.Contains(s, "?") { // in front of an @, too, where some take the rest for the host
		return Location{}, false, problem.Invalid("%s must be plain: without query", problem.QuoteInput(s)).WithNext("remove ? and what follows it")
	}
	transport, rest, isURL := strings.Cut(s, "://")
	if !isURL {
		l, err := parseSCP(s)
		return l, false, err
	}
	port, known := gitPorts[transport]
	if !known {
		return Location{}, false, problem.Invalid("%s is no URL of a Git repository that chartgate can name", problem.QuoteInput(s)).
			WithNext("write the URL with https:// or ssh://, in lower case")
	}
	authority, path, _ := strings.Cut(rest, "/")
	l, err = parseGit(authority, path, port, s)
	return l, transport == "http" || transport == "git", err
}

// parseSCP reads host:path and user@host:path. A path that starts with digits is refused: some
// clients (go-git) take these for a port. Nothing in it is percent-encoded.
func parseSCP(s string) (Location, error) {
	authority, path, found := strings.Cut(s, ":")
	first, _, _ := strings.Cut(path, "/")
	if !found || strings.Contains(authority, "/") || strings.Contains(path, "%") || first != "" && strings.Trim(first, "0123456789") == "" {
		return Location{}, problem.Invalid("%s is no URL of a Git repository that chartgate can name", problem.QuoteInput(s)).
			WithNext("write it as a URL, as in https://github.com/acme/apps or ssh://git@github.com/acme/apps")
	}
	return parseGit(authority, strings.TrimPrefix(path, "/"), "", s)
}

func parseGit(authority, path, defaultPort, s string) (Location, error) {
	if user, host, found := strings.Cut(authority, "@"); found {
		if !userInfo.MatchString(user) || strings.Contains(host, "@") {
			return Location{}, problem.Invalid("%s is no URL of a Git repository that chartgate can name: the user in it is not clear", problem.QuoteInput(s)).
				WithNext("take user name and password out of the URL, and put them into the Secret of the repository")
		}
		authority = host
	}
	host, err := parseHost(strings.ToLower(authority), defaultPort, true, s)
	if err != nil {
		return Location{}, err
	}
	l := Location{scheme: SchemeGit, host: host}
	if l.path, err = gitPath(path, s); err != nil {
		return Location{}, err
	}
	return l.orZero(checkLength(l, s))
}

// gitPath returns the canonical path of a Git repository.
func gitPath(path, s string) (string, error) {
	canonical, err := treePath(strings.TrimRight(path, "/"), s)
	if err != nil {
		return "", err
	}
	name := strings.TrimSuffix(canonical, ".git")
	// Servers differ on a second .git, on .GIT, and on the .git folder of a working copy.
	if strings.HasSuffix(strings.ToLower(name), ".git") || name == "" || strings.HasSuffix(name, "/") {
		return "", problem.Invalid("%s does not name a repository that every server reads the same", problem.QuoteInput(s)).
			WithNext("write host and path of the repository, with .git at its end once or not at all")
	}
	return name, nil
}

// treePath returns the canonical spelling of a path that may be percent-encoded.
func treePath(path, s string) (string, error) {
	if path == "" {
		return "", problem.Invalid("%s names a host but no repository", problem.QuoteInput(s)).WithNext("append the path of the repository")
	}
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		if strings.Contains(segment, ":") || strings.Contains(strings.ToUpper(segment), EncodedSlash) {
			return "", ambiguousTree(s, segment)
		}
		canonical, err := classicSegment(segment, s)
		if err != nil {
			return "", err
		}
		segments[i] = canonical
	}
	return strings.Join(segments, "/"), nil
}

func ambiguousTree(s, segment string) *problem.Error {
	return problem.Invalid("%s has the path segment %s, which is read in different ways", problem.QuoteInput(s), problem.QuoteInput(segment)).
		WithNext("write the path without colons and encoded slashes")
}

// parseTree reads the canonical name of a folder in a Git repository or a bucket, or of the
// repository itself.
func parseTree(scheme, rest, s string) (Location, error) {
	if err := checkURL(s); err != nil {
		return Location{}, err
	}
	host, path, _ := strings.Cut(rest, "/")
	if strings.ContainsAny(host, "@?") || strings.Contains(path, "?") {
		return Location{}, problem.Invalid("%s must be plain: without user info and query", problem.QuoteInput(s)).
			WithNext("write %s://host/path//folder alone", scheme)
	}
	host, err := parseHost(strings.ToLower(host), "", true, s)
	if err != nil {
		return Location{}, err
	}
	repository, folder, inside := strings.Cut(path, treeSeparator)
	l := Location{scheme: scheme, host: host}
	if l.path, err = repositoryPath(scheme, repository, s); err != nil || !inside {
		return l.orZero(err)
	}
	if folder == "" {
		return Location{}, problem.Invalid("%s names no folder behind //", problem.QuoteInput(s)).WithNext("append the folder, or remove // for the top of the repository")
	}
	if folder, err = treePath(strings.TrimSuffix(folder, "/"), s); err != nil {
		return Location{}, err
	}
	l.path += treeSeparator + folder
	return l.orZero(checkLength(l, s))
}

func repositoryPath(scheme, path, s string) (string, error) {
	if scheme == SchemeBucket {
		return bucketPath(strings.TrimSuffix(path, "/"), s)
	}
	return gitPath(path, s)
}

func (l Location) orZero(err error) (Location, error) {
	if err != nil {
		return Location{}, err
	}
	return l, nil
}

func checkLength(l Location, s string) error {
	if len(l.String()) > maxURL {
		return longURL(s)
	}
	return nil
}

// Folder returns the location of a folder in the repository l, as its consumer spells the path:
// "./charts/web", relative to the top of the repository. Nothing in it is percent-encoded. Empty
// segments and "." are dropped, as file systems do; ".." is refused instead of resolved.
func (l Location) Folder(path string) (Location, error) {
	switch {
	case path == "":
		return Location{}, problem.Invalid("the chart in %s has an empty path", l).WithNext("name the chart's folder, or . for the top of the repository")
	case !l.IsTree() || strings.Contains(l.path, treeSeparator):
		return Location{}, problem.Invalid("%s is no repository of folders", l).WithNext("name the repository without a folder")
	case strings.HasPrefix(path, "/"):
		return Location{}, problem.Invalid("the path %s starts with a slash, and must be relative to the top of the repository", problem.QuoteInput(path)).
			WithNext("remove the slash at the start of the path")
	}
	var segments []string
	for segment := range strings.SplitSeq(path, "/") {
		switch segment {
		case "", ".":
			continue
		case "..":
			return Location{}, dottedSegment(path, segment)
		}
		canonical, err := folderSegment(segment, path)
		if err != nil {
			return Location{}, err
		}
		segments = append(segments, canonical)
	}
	if len(segments) > 0 {
		l.path += treeSeparator + strings.Join(segments, "/")
	}
	return l.orZero(checkLength(l, path))
}

// folderSegment returns the canonical spelling of a folder's name.
func folderSegment(segment, path string) (string, error) {
	if strings.ContainsAny(segment, `%\:;`) {
		return "", problem.Invalid("the path %s has the folder %s, which a name of a chart cannot hold", problem.QuoteInput(path), problem.QuoteInput(segment)).
			WithNext("rename the folder, without percent signs, backslashes, colons and semicolons")
	}
	var encoded strings.Builder
	for _, c := range []byte(segment) {
		if c < ' ' || c == 0x7f {
			return "", problem.Invalid("the path %s holds a control character", problem.QuoteInput(path)).WithNext("rename the folder")
		}
		encoded.WriteString(encodedByte(c))
	}
	return encoded.String(), nil
}
