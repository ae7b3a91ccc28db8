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
// Reference.String prints.
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
		return Reference{}, problem.Invalid("%s has neither a version nor a digest", Quote(s)).
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
// makes one, from manifests whose bytes have the digests. It is comparable.
type Resolved struct {
	Location Location
	// Mirror is where the chart was asked for in place of Location; zero if at Location itself.
	Mirror Location
	// Tag is the one that was asked for, which a range chose or the reference names; "" by digest.
	Tag string
	// Digest is that of the manifest, or the image index, that the reference names: what is signed.
	Digest Digest
	// Layer is the digest of the chart's archive, the only one below Digest: what Flux shows as
	// the artifact. LayerType is its media type.
	Layer     Digest
	LayerType string
	// Direct is set where go-containerregistry, and so Flux's OCIRepository, gets to the manifest
	// that holds the layer: it is the one named, or the first for linux/amd64 in an index.
	Direct bool
	// First is set where the layer is the first one of its manifest.
	First bool
	// Other is set where this is no chart, or not one of which the consumer takes the chart's
	// layer. Layer is then what the consumer takes, zero if that is not one layer.
	Other bool
	// Index is set where Digest is that of an image index.
	Index bool
	// Alone is set where Digest is that of a manifest, and nothing below it but the layer has a
	// media type that Argo CD unpacks.
	Alone bool
}

// name returns the chart for people, by tag and digest.
func (r Resolved) name() string {
	name := r.Location.String()
	if r.Tag != "" {
		name += ":" + r.Tag
	}
	return name + "@" + r.Digest.String()
}
