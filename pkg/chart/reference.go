package chart

import "strings"

// Reference is one version of one chart, as a consumer asks for it. The zero
// value refers to nothing.
type Reference struct {
	Location Location
	Selector Selector
}

// Helm's media types (https://helm.sh/docs/topics/registries/).
const (
	MediaTypeConfig = "application/vnd.cncf.helm.config.v1+json"
	MediaTypeLayer  = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
)

// ParseReference reads "oci://host/path:tag", "oci://host/path@sha256:…" or
// "oci://host/path:tag@sha256:…".
func ParseReference(s string) (Reference, error) {
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
		return Reference{}, Invalid("%s has neither a version nor a digest", Quote(s))
	}
	selector, err := ParseTagOrDigest(version)
	if err != nil {
		return Reference{}, err
	}
	return Reference{Location: location, Selector: selector}, nil
}

// IsZero reports whether r refers to nothing.
func (r Reference) IsZero() bool { return r == Reference{} }

// String returns the reference for people: "location:version", "location@digest"
// or the location alone.
func (r Reference) String() string {
	text := r.Selector.String()
	switch {
	case text == "":
		return r.Location.String()
	case strings.HasPrefix(text, digestPrefix):
		return r.Location.String() + "@" + text
	default:
		return r.Location.String() + ":" + text
	}
}

// Resolved is a chart in a registry: its content is fixed. Only package registry
// makes one, from a manifest whose bytes have the digest.
type Resolved struct {
	Location Location
	Digest   Digest // of the manifest: what is signed
	Layer    Digest // of the chart archive: what Flux shows as the artifact
}
