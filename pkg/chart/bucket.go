package chart

import (
	"strings"

	"github.com/chartgate/chartgate/pkg/problem"
)

// ParseBucket returns the location of a bucket: the endpoint is a host with an optional port, or a
// URL of one (Azure). insecure is set where the bucket is read over plain HTTP, whose default port
// is another one.
func ParseBucket(endpoint, name string, insecure bool) (Location, error) {
	if err := checkURL(endpoint); err != nil {
		return Location{}, err
	}
	host, port := endpoint, "443"
	if insecure {
		port = "80"
	}
	for scheme, itsPort := range map[string]string{"https": "443", "http": "80"} {
		if rest, found := strings.CutPrefix(endpoint, scheme+"://"); found {
			host, port = strings.TrimRight(rest, "/"), itsPort
		}
	}
	if strings.ContainsAny(host, "/?@") {
		return Location{}, problem.Invalid("the endpoint %s is more than a host", problem.QuoteInput(endpoint)).
			WithNext("write the host alone, with its port if it has one")
	}
	host, err := parseHost(strings.ToLower(host), port, true, endpoint)
	if err != nil {
		return Location{}, err
	}
	l := Location{scheme: SchemeBucket, host: host}
	if l.path, err = bucketPath(name, name); err != nil {
		return Location{}, err
	}
	return l.orZero(checkLength(l, name))
}

// bucketPath returns the name of a bucket, which is one segment in every object store.
func bucketPath(name, s string) (string, error) {
	if !plainSegment.MatchString(name) || name == "." || name == ".." {
		return "", problem.Invalid("%s does not name a bucket: its name has letters, digits, and . _ -", problem.QuoteInput(s)).
			WithNext("write the bucket's name alone; what is below it is a folder, behind //")
	}
	return name, nil
}
