package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
)

// graph is everything below the manifest or image index that a reference names. helm pulls all of
// it: oras copies the config, layers and subject of a manifest, the manifests of an index, and
// everything below those, also if a layer says that it is a manifest. From what it has pulled, helm
// takes the last layer with a chart's media type, in no particular order (Pull in pkg/registry of
// helm 3.22 and 4.3, CopyGraph of oras-go 2.6). So chartgate reads all manifests, and they must
// contain one chart.
type graph struct {
	root   node
	nodes  []node
	leaves []leaf
}

// node is a manifest or an index.
type node struct {
	digest   chart.Digest
	manifest manifest // empty for an index
	index    *index
}

// leaf is a config or layer.
type leaf struct {
	ocispec.Descriptor
	of    chart.Digest // the manifest that lists it
	layer int          // position among the layers; -1 is the config
}

// Media types from before OCI 1.1, which oras follows and chartgate does not.
const (
	mediaTypeDockerList   = "application/vnd.docker.distribution.manifest.list.v2+json"
	mediaTypeOrasManifest = "application/vnd.oci.artifact.manifest.v1+json"
)

// isManifest reports whether oras follows the references in content of this media type.
func isManifest(mediaType string) bool {
	return slices.Contains([]string{mediaTypeManifest, mediaTypeIndex, mediaTypeDockerManifest, mediaTypeDockerList, mediaTypeOrasManifest}, mediaType)
}

// graph reads what is below a manifest. A manifest with a config and layers only, like every chart
// that helm pushes, needs no further request.
func (r *repository) graph(ctx context.Context, named content) (graph, error) {
	var g graph
	pending := []ocispec.Descriptor{{MediaType: named.mediaType, Digest: digest.Digest(named.digest.String())}}
	seen := map[string]bool{}
	for len(pending) > 0 {
		next := pending[0]
		pending = pending[1:]
		if seen[next.Digest.String()] {
			continue
		}
		seen[next.Digest.String()] = true
		found := named
		if len(g.nodes) > 0 {
			if len(g.nodes) == maxContents {
				return graph{}, requestError{problem.KindLimitExceeded, fmt.Sprintf("it leads to more than the %d manifests that chartgate reads", maxContents), ""}
			}
			var err error
			if found, err = r.below(ctx, next); err != nil {
				return graph{}, err
			}
		}
		n, more, err := decodeNode(found, len(g.nodes) == 0)
		if err != nil {
			return graph{}, err
		}
		g.nodes = append(g.nodes, n)
		for i, d := range n.leaves() {
			if isManifest(d.MediaType) {
				more = append(more, d)
				continue
			}
			g.leaves = append(g.leaves, leaf{d, n.digest, i - 1})
		}
		pending = append(pending, more...)
	}
	g.root = g.nodes[0]
	return g, nil
}

// below reads a manifest to which another manifest refers. The media type in the descriptor counts:
// oras ignores the one that the registry serves.
func (r *repository) below(ctx context.Context, d ocispec.Descriptor) (content, error) {
	wanted, err := chart.ParseDigest(d.Digest.String())
	if err != nil {
		return content{}, requestError{problem.KindNotAChart, "it refers to a manifest by " + problem.QuoteInput(d.Digest.String()), ""}
	}
	if !slices.Contains([]string{mediaTypeManifest, mediaTypeIndex, mediaTypeDockerManifest}, d.MediaType) {
		return content{}, requestError{problem.KindNotAChart, "it refers to a manifest of the media type " + problem.QuoteInput(d.MediaType), ""}
	}
	found, err := r.manifest(ctx, wanted.String())
	switch {
	case errors.Is(err, errdef.ErrNotFound):
		return content{}, requestError{problem.KindNotAChart, "it refers to the manifest " + wanted.String() + ", which is not there", ""}
	case err != nil:
		return content{}, r.problem(ctx, "the manifest "+wanted.String()+" in "+r.location.String(), err)
	}
	found.mediaType = d.MediaType
	return found, nil
}

// decodeNode decodes a manifest or an index, and returns the manifests to which it refers. helm
// accepts Docker's manifests only below an index.
func decodeNode(a content, root bool) (n node, more []ocispec.Descriptor, err error) {
	n.digest = a.digest
	switch {
	case a.mediaType == mediaTypeIndex:
		found, err := decodeIndex(a)
		if err != nil {
			return node{}, nil, err
		}
		n.index, more = &found, found.Manifests
		if found.Subject != nil {
			more = append(slices.Clone(more), *found.Subject)
		}
	case root:
		n.manifest, err = decodeManifest(a, mediaTypeManifest)
	default:
		n.manifest, err = decodeManifest(a, mediaTypeManifest, mediaTypeDockerManifest)
	}
	if n.manifest.Subject != nil {
		more = append(more, *n.manifest.Subject)
	}
	return n, more, err
}

// leaves returns a manifest's config and layers.
func (n node) leaves() []ocispec.Descriptor {
	if n.index != nil {
		return nil
	}
	return append([]ocispec.Descriptor{n.manifest.Config}, n.manifest.Layers...)
}

// chart returns the one chart in the graph, without its location.
func (g graph) chart() (artifact.Resolved, error) {
	of := func(is func(string) bool) []leaf {
		return slices.DeleteFunc(slices.Clone(g.leaves), func(l leaf) bool { return !is(l.MediaType) })
	}
	configs := of(func(mediaType string) bool { return mediaType == artifact.MediaTypeConfig })
	archives := of(artifact.IsChartLayer)
	switch {
	case len(configs) == 0 && g.root.index != nil:
		return artifact.Resolved{}, requestError{problem.KindNotAChart, "it is an image index without a Helm chart in it", ""}
	case len(configs) == 0:
		return artifact.Resolved{}, requestError{problem.KindNotAChart, "its config has the media type " + problem.QuoteInput(g.root.manifest.Config.MediaType), ""}
	case len(archives) == 0:
		return artifact.Resolved{}, requestError{problem.KindNotAChart, "it has the config of a chart, but no layer with a chart archive", ""}
	case len(archives) > 1:
		return artifact.Resolved{}, requestError{problem.KindNotAChart, fmt.Sprintf("it has %d chart archives, of which helm takes any", len(archives)), "push the chart alone"}
	case len(configs) > 1 || configs[0].of != archives[0].of || configs[0].layer != -1 || archives[0].layer < 0:
		return artifact.Resolved{}, requestError{problem.KindNotAChart, "its chart archive does not have one config of its own", ""}
	}
	archive := archives[0]
	layer, err := chart.ParseDigest(archive.Digest.String())
	if err != nil {
		return artifact.Resolved{}, requestError{problem.KindNotAChart, "its chart archive has the digest " + problem.QuoteInput(archive.Digest.String()), ""}
	}
	return artifact.Resolved{
		Digest:    g.root.digest,
		Layer:     layer,
		LayerType: archive.MediaType,
		Direct:    g.leadsTo(archive.of),
		First:     archive.layer == 0,
		Index:     g.root.index != nil,
		Alone:     g.root.index == nil && archive.of == g.root.digest && len(of(isUnpacked)) == 1,
	}, nil
}

// artifact returns the chart in the graph, or the other artifact that the consumer takes. A
// signature of the root covers all of it. A chart that is broken, or of which Argo CD would unpack
// more than the chart, is an error: Argo CD takes it for a chart too.
func (g graph) artifact(by artifact.LayerRule) (artifact.Resolved, error) {
	found, err := g.chart()
	if err == nil && found.CheckLayer(by) == nil {
		return found, nil
	}
	isConfig := func(l leaf) bool { return l.MediaType == artifact.MediaTypeConfig }
	if by.Anything() && slices.ContainsFunc(g.leaves, isConfig) {
		return found, err
	}
	other := artifact.Resolved{Digest: g.root.digest, Other: true}
	var types []string
	for _, layer := range g.root.manifest.Layers {
		types = append(types, layer.MediaType)
	}
	if i := by.Layer(types); i >= 0 && g.root.index == nil {
		// Without a valid digest the archive cannot be compared with the one that Flux pulled.
		other.Layer, _ = chart.ParseDigest(g.root.manifest.Layers[i].Digest.String())
	}
	return other, nil
}

// leadsTo reports whether go-containerregistry resolves the root to the manifest (childByPlatform
// in pkg/v1/remote/index.go): from an index it takes the first manifest for linux/amd64 or without
// a platform.
func (g graph) leadsTo(manifest chart.Digest) bool {
	at := g.root
	for range g.nodes {
		if at.index == nil {
			return at.digest == manifest
		}
		child := slices.IndexFunc(at.index.Manifests, func(d ocispec.Descriptor) bool {
			return d.Platform == nil || d.Platform.OS == "linux" && d.Platform.Architecture == "amd64"
		})
		if child < 0 {
			return false
		}
		next := slices.IndexFunc(g.nodes, func(n node) bool { return n.digest.String() == at.index.Manifests[child].Digest.String() })
		if next < 0 {
			return false // it is not a manifest
		}
		at = g.nodes[next]
	}
	return false
}

// isUnpacked reports whether Argo CD unpacks content of this media type (isContentLayer in
// util/oci/client.go, 3.2).
func isUnpacked(mediaType string) bool {
	return strings.HasSuffix(mediaType, "tar+gzip") || strings.HasSuffix(mediaType, "tar")
}

// index is an image index. It has the fields of a manifest too, so that they can be refused.
type index struct {
	ocispec.Index
	Config json.RawMessage `json:"config"`
	Layers json.RawMessage `json:"layers"`
}

// decodeIndex decodes an image index. It must not be a manifest too (CVE-2021-41190).
func decodeIndex(a content) (index, error) {
	if err := checkJSON(a.body, problem.KindNotAChart); err != nil {
		return index{}, err
	}
	var i index
	if err := json.Unmarshal(a.body, &i); err != nil {
		return index{}, requestError{problem.KindNotAChart, "its index does not have the form of an image index", ""}
	}
	switch {
	case i.MediaType != "" && i.MediaType != a.mediaType:
		return index{}, requestError{problem.KindNotAChart, "its media type is both " + problem.QuoteInput(a.mediaType) + " and " + problem.QuoteInput(i.MediaType), ""}
	case i.SchemaVersion != 2:
		return index{}, requestError{problem.KindNotAChart, "its index does not have the schema version 2", ""}
	case i.Config != nil || i.Layers != nil:
		return index{}, requestError{problem.KindNotAChart, "its index has a config or layers as a manifest does", ""}
	}
	return i, nil
}

// manifest is an image manifest. It has the field of an index too, so that it can be refused.
type manifest struct {
	ocispec.Manifest
	Manifests json.RawMessage `json:"manifests"`
}

// decodeManifest decodes an image manifest. It must have one of the media types, in the header and
// in the manifest, and must not be an index too: clients differ in how they read content that could
// be either (CVE-2021-41190).
func decodeManifest(a content, mediaTypes ...string) (manifest, error) {
	if !slices.Contains(mediaTypes, a.mediaType) {
		return manifest{}, requestError{problem.KindNotAChart, "its media type is " + problem.QuoteInput(a.mediaType), ""}
	}
	if err := checkJSON(a.body, problem.KindNotAChart); err != nil {
		return manifest{}, err
	}
	var m manifest
	if err := json.Unmarshal(a.body, &m); err != nil {
		return manifest{}, requestError{problem.KindNotAChart, "its manifest does not have the form of a manifest", ""}
	}
	switch {
	case m.MediaType != "" && m.MediaType != a.mediaType:
		return manifest{}, requestError{problem.KindNotAChart, "its media type is both " + problem.QuoteInput(a.mediaType) + " and " + problem.QuoteInput(m.MediaType), ""}
	case m.SchemaVersion != 2:
		return manifest{}, requestError{problem.KindNotAChart, "its manifest does not have the schema version 2", ""}
	case m.Manifests != nil:
		return manifest{}, requestError{problem.KindNotAChart, "its manifest lists manifests as an index does", ""}
	}
	return m, nil
}
