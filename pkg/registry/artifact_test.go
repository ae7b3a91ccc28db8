package registry_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

const (
	indexType  = ocispec.MediaTypeImageIndex
	dockerType = "application/vnd.docker.distribution.manifest.v2+json"
	sbomType   = "application/vnd.docker.dhi.sbom.v1.tar+gzip"
	provType   = "application/vnd.cncf.helm.chart.provenance.v1.prov"
)

// rack is a shelf for manifests that a test writes itself.
type rack struct {
	shelf
	t *testing.T
}

// put stores a manifest and returns its descriptor.
func (r rack) put(mediaType, raw string) string {
	r.t.Helper()
	digest, err := r.PushManifest(repo, "", mediaType, []byte(raw))
	if err != nil {
		r.t.Fatal(err)
	}
	return describe(mediaType, digest, len(raw))
}

// blob stores a blob and returns its descriptor with the media type.
func (r rack) blob(mediaType, content string) string {
	r.t.Helper()
	digest, err := r.PushBlob(repo, []byte(content))
	if err != nil {
		r.t.Fatal(err)
	}
	return describe(mediaType, digest, len(content))
}

func describe(mediaType, digest string, size int) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, mediaType, digest, size)
}

// image is a manifest of a config and layers.
func image(config string, layers ...string) string {
	return `{"schemaVersion":2,"config":` + config + `,"layers":[` + strings.Join(layers, ",") + `]}`
}

func indexOf(manifests ...string) string {
	return `{"schemaVersion":2,"manifests":[` + strings.Join(manifests, ",") + `]}`
}

// on adds a field to the first object of a JSON text.
func on(object, field string) string { return "{" + field + "," + object[1:] }

// TestGraph: the one chart that helm finds in what it pulls is accepted, wherever it is. If helm
// could take several, it is refused.
func TestGraph(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	r := rack{s, t}
	config := r.blob(artifact.MediaTypeConfig, `{"name":"podinfo","version":"1.0.0","apiVersion":"v2"}`)
	archive := describe(artifact.MediaTypeLayer, s.layer, 1)
	legacy := describe(artifact.MediaTypeLegacyLayer, s.layer, 1)
	other := r.blob(artifact.MediaTypeLayer, "another chart")
	sbom, prov, text := r.blob(sbomType, "sbom"), r.blob(provType, "prov"), r.blob("text/plain", "text")
	plain := r.blob("application/vnd.oci.image.config.v1+json", "{}")
	podinfo := r.put(manifestType, image(config, archive))
	another := r.put(manifestType, image(config, other))
	container := r.put(manifestType, image(plain, r.blob("application/vnd.oci.image.layer.v1.tar+gzip", "rootfs")))
	attestation := on(container, `"platform":{"architecture":"unknown","os":"unknown"}`)
	arm := func(d string) string { return on(d, `"platform":{"architecture":"arm64","os":"linux"}`) }
	amd := func(d string) string { return on(d, `"platform":{"architecture":"amd64","os":"linux"}`) }
	subject := func(m, d string) string { return on(m, `"subject":`+d) }
	missing := describe(manifestType, layerDigest, 1)
	type facts struct {
		LayerType            string
		Direct, First, Alone bool
	}
	chartAt := func(direct, first, alone bool) facts { return facts{artifact.MediaTypeLayer, direct, first, alone} }
	tests := map[string]struct {
		mediaType, raw string
		want           facts
		refused        string // why, if it is
		more           int    // requests
	}{
		"the chart alone":                          {raw: image(config, archive), want: chartAt(true, true, true)},
		"an SBOM after the chart":                  {raw: image(config, archive, sbom), want: chartAt(true, true, false)},
		"an SBOM before the chart":                 {raw: image(config, sbom, archive), want: chartAt(true, false, false)},
		"a text after the chart":                   {raw: image(config, archive, text), want: chartAt(true, true, true)},
		"a text before the chart":                  {raw: image(config, text, archive), want: chartAt(true, false, true)},
		"a layer without a media type":             {raw: image(config, archive, `{}`), want: chartAt(true, true, true)},
		"provenance before the chart":              {raw: image(config, prov, archive), want: chartAt(true, false, true)},
		"provenance, the chart and ten more":       {raw: image(config, append([]string{prov, archive}, strings.Split(strings.Repeat(text+" ", 10), " ")[:10]...)...), want: chartAt(true, false, true)},
		"helm's older media type":                  {raw: image(config, legacy), want: facts{artifact.MediaTypeLegacyLayer, true, true, true}},
		"helm's older media type after an SBOM":    {raw: image(config, sbom, legacy), want: facts{artifact.MediaTypeLegacyLayer, true, false, false}},
		"two archives":                             {raw: image(config, archive, other), refused: "it has 2 chart archives, of which helm takes any"},
		"two archives of helm's two media types":   {raw: image(config, archive, legacy), refused: "it has 2 chart archives, of which helm takes any"},
		"a chart's config among the layers":        {raw: image(plain, config, archive), refused: "its chart archive does not have one config of its own"},
		"a chart's archive in place of the config": {raw: image(archive, config), refused: "its chart archive does not have one config of its own"},
		"no layer": {raw: image(config), refused: "it has the config of a chart, but no layer with a chart archive"},
		"an archive, and a config of something else":  {raw: image(plain, archive), refused: `its config has the media type "application/vnd.oci.image.config.v1+json"`},
		"a layer that is a manifest of another chart": {raw: image(config, archive, another), refused: "it has 2 chart archives, of which helm takes any", more: 1},
		"a layer that is a manifest of an image":      {raw: image(config, archive, container), want: chartAt(true, true, false), more: 1},
		"a config that is a manifest of a chart":      {raw: image(podinfo, text), refused: "", want: chartAt(false, true, false), more: 1},
		"another chart as the subject":                {raw: subject(image(config, archive), another), refused: "it has 2 chart archives, of which helm takes any", more: 1},
		"an image as the subject":                     {raw: subject(image(config, archive), container), want: chartAt(true, true, false), more: 1},
		"a subject that is not there":                 {raw: subject(image(config, archive), missing), refused: "it refers to the manifest " + layerDigest + ", which is not there", more: 1},
		"a subject in Docker's old form": {raw: subject(image(config, archive), describe("application/vnd.docker.distribution.manifest.list.v2+json", layerDigest, 1)),
			refused: `it refers to a manifest of the media type "application/vnd.docker.distribution.manifest.list.v2+json"`},
		"a subject without a digest": {raw: subject(image(config, archive), `{"mediaType":"`+manifestType+`"}`), refused: `it refers to a manifest by ""`},

		"an index of the chart":                             {mediaType: indexType, raw: indexOf(podinfo), want: chartAt(true, true, false), more: 1},
		"an index of the chart for linux/amd64":             {mediaType: indexType, raw: indexOf(amd(podinfo)), want: chartAt(true, true, false), more: 1},
		"an index of the chart for another platform":        {mediaType: indexType, raw: indexOf(arm(podinfo)), want: chartAt(false, true, false), more: 1},
		"an index of an image, then the chart":              {mediaType: indexType, raw: indexOf(container, podinfo), want: chartAt(false, true, false), more: 2},
		"an index of the chart, then an image":              {mediaType: indexType, raw: indexOf(podinfo, container), want: chartAt(true, true, false), more: 2},
		"an index of an attestation, then the chart":        {mediaType: indexType, raw: indexOf(attestation, podinfo), want: chartAt(true, true, false), more: 2},
		"an index of an index of the chart":                 {mediaType: indexType, raw: indexOf(r.put(indexType, indexOf(podinfo))), want: chartAt(true, true, false), more: 2},
		"an index of an index of an image, then the chart":  {mediaType: indexType, raw: indexOf(r.put(indexType, indexOf(container, podinfo))), want: chartAt(false, true, false), more: 3},
		"an index with the chart twice":                     {mediaType: indexType, raw: indexOf(podinfo, podinfo), want: chartAt(true, true, false), more: 1},
		"an index of two charts":                            {mediaType: indexType, raw: indexOf(podinfo, another), refused: "it has 2 chart archives, of which helm takes any", more: 2},
		"an index of two charts for two platforms":          {mediaType: indexType, raw: indexOf(amd(podinfo), arm(another)), refused: "it has 2 chart archives, of which helm takes any", more: 2},
		"an index of a chart, and a chart as its subject":   {mediaType: indexType, raw: subject(indexOf(podinfo), another), refused: "it has 2 chart archives, of which helm takes any", more: 2},
		"an index of an archive and a config apart":         {mediaType: indexType, raw: indexOf(r.put(manifestType, image(plain, archive)), r.put(manifestType, image(config, text))), refused: "its chart archive does not have one config of its own", more: 2},
		"an index of the chart, and one without archive":    {mediaType: indexType, raw: indexOf(podinfo, r.put(manifestType, image(config, text))), refused: "its chart archive does not have one config of its own", more: 2},
		"an index of a chart in Docker's manifest":          {mediaType: indexType, raw: indexOf(r.put(dockerType, image(config, archive))), want: chartAt(true, true, false), more: 1},
		"an index of images":                                {mediaType: indexType, raw: indexOf(container), refused: "it is an image index without a Helm chart in it", more: 1},
		"an index that is a manifest too (CVE-2021-41190)":  {mediaType: indexType, raw: on(indexOf(podinfo), `"layers":[`+other+`]`), refused: "its index has a config or layers as a manifest does"},
		"an index with a config":                            {mediaType: indexType, raw: on(indexOf(podinfo), `"config":null`), refused: "its index has a config or layers as a manifest does"},
		"an index that says that it is a manifest":          {mediaType: indexType, raw: on(indexOf(podinfo), `"mediaType":"`+manifestType+`"`), refused: `its media type is both "` + indexType + `" and "` + manifestType + `"`},
		"an index of another schema":                        {mediaType: indexType, raw: strings.Replace(indexOf(podinfo), ":2", ":1", 1), refused: "its index does not have the schema version 2"},
		"an index with manifests twice":                     {mediaType: indexType, raw: on(indexOf(podinfo), `"Manifests":[]`), refused: "its JSON is ambiguous: it has one name twice in one object"},
		"an index of a manifest under the type of an index": {mediaType: indexType, raw: indexOf(strings.Replace(podinfo, manifestType, indexType, 1)), refused: "its index has a config or layers as a manifest does", more: 1},
		"an index of an index under the type of a manifest": {mediaType: indexType, raw: indexOf(strings.Replace(r.put(indexType, indexOf(podinfo)), indexType, manifestType, 1)), refused: "its manifest lists manifests as an index does", more: 1},
		"Docker's list of manifests":                        {mediaType: "application/vnd.docker.distribution.manifest.list.v2+json", raw: indexOf(podinfo), refused: `its media type is "application/vnd.docker.distribution.manifest.list.v2+json"`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if tc.mediaType == "" {
				tc.mediaType = manifestType
			}
			digest, err := s.PushManifest(repo, "9.9.9", tc.mediaType, []byte(tc.raw))
			if err != nil {
				t.Fatal(err)
			}
			s.Reset()
			got, err := s.client().Resolve(t.Context(), reference(t, s, "CHART:9.9.9"), sourceauth.Auth{})
			equal(t, 1+tc.more, len(s.Requests()))
			if tc.refused != "" {
				next := nextPush
				if strings.Contains(tc.refused, "chart archives") {
					next = "push the chart alone"
				}
				equal(t, outcome{problem.KindNotAChart, s.text("CHART:9.9.9 is not a Helm chart: " + tc.refused), next}, outcomeOf(t, err))
				return
			}
			if err != nil {
				t.Fatal(outcomeOf(t, err))
			}
			equal(t, digest, got.Digest.String())
			equal(t, s.layer, got.Layer.String())
			equal(t, tc.want, facts{got.LayerType, got.Direct, got.First, got.Alone})
			equal(t, tc.mediaType == indexType, got.Index)
		})
	}
}

// TestGraphEnds: anyone who can push can refer to any number of manifests. A chart is refused if
// chartgate does not read all of them.
func TestGraphEnds(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	r := rack{s, t}
	config := r.blob(artifact.MediaTypeConfig, "{}")
	deep := r.put(manifestType, image(config, describe(artifact.MediaTypeLayer, s.layer, 1)))
	var wide []string
	for i := range 16 {
		deep = r.put(indexType, indexOf(deep))
		wide = append(wide, r.put(manifestType, image(r.blob("text/plain", fmt.Sprint(i)))))
	}
	for name, top := range map[string]string{"deep": deep, "wide": r.put(indexType, indexOf(wide...))} {
		t.Run(name, func(t *testing.T) {
			s.Reset()
			var d struct{ Digest string }
			if err := json.Unmarshal([]byte(top), &d); err != nil {
				t.Fatal(err)
			}
			_, err := s.client().Resolve(t.Context(), reference(t, s, "CHART@"+d.Digest), sourceauth.Auth{})
			equal(t, outcome{problem.KindLimitExceeded, s.text("CHART@" + d.Digest + " is not a Helm chart: it leads to more than the 16 manifests that chartgate reads"), nextPush}, outcomeOf(t, err))
			equal(t, 16, len(s.Requests()))
		})
	}
}

// TestGraphUnreadable: the error says why a manifest below an index could not be read.
func TestGraphUnreadable(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	if _, err := s.PushManifest(repo, "9.9.9", indexType, []byte(indexOf(describe(manifestType, s.digest, 1)))); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		fault registrytest.Fault
		want  outcome
	}{
		"an error": {registrytest.Status(500), outcome{Kind: problem.KindUnavailable, Detail: "the manifest DIGEST in CHART could not be read: unexpected answer (the registry answered 500 Internal Server Error)"}},
		"a lie":    {serve(manifestType, "{}"), outcome{Kind: problem.KindDigestMismatch, Detail: "the manifest DIGEST in CHART could not be read: the registry serves content with the digest sha256:" + sha256Hex("{}")}},
	} {
		t.Run(name, func(t *testing.T) {
			s.Heal()
			s.Fail("/manifests/"+s.digest, tc.fault)
			_, err := s.client().Resolve(t.Context(), reference(t, s, "CHART:9.9.9"), sourceauth.Auth{})
			got := outcomeOf(t, err)
			equal(t, tc.want.Kind, got.Kind)
			equal(t, s.text(tc.want.Detail), got.Detail)
		})
	}
}

// TestArtifact: an artifact that is not a chart is resolved for consumers that accept it, with the
// layer that they take. It is refused if Argo CD takes it for a chart, and takes more of it than
// the layer of the chart.
func TestArtifact(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	r := rack{s, t}
	config := r.blob(artifact.MediaTypeConfig, `{"name":"podinfo","version":"1.0.0","apiVersion":"v2"}`)
	archive := describe(artifact.MediaTypeLayer, s.layer, 1)
	second := r.blob(artifact.MediaTypeLayer, "another chart")
	const fluxType = "application/vnd.cncf.flux.content.v1.tar+gzip"
	files, sbom := r.blob(fluxType, "files"), r.blob(sbomType, "sbom")
	fluxConfig := r.blob("application/vnd.cncf.flux.config.v1+json", "{}")
	manifests := image(fluxConfig, files, sbom)
	digestOf := func(descriptor string) chart.Digest {
		var d ocispec.Descriptor
		if err := json.Unmarshal([]byte(descriptor), &d); err != nil {
			t.Fatal(err)
		}
		return parseDigest(t, d.Digest.String())
	}
	type found struct {
		Other bool
		Layer chart.Digest
		Kind  problem.Kind
	}
	refused := found{Kind: problem.KindNotAChart}
	for _, tc := range []struct {
		name, mediaType, raw string
		by                   artifact.LayerRule
		want                 found
	}{
		{"manifests for Argo CD", manifestType, manifests, artifact.WholeContent(), found{Other: true}},
		{"manifests for Flux, which takes the first layer", manifestType, manifests, artifact.LayerOfType(""), found{Other: true, Layer: digestOf(files)}},
		{"manifests for Flux, which takes the second layer", manifestType, manifests, artifact.LayerOfType(sbomType), found{Other: true, Layer: digestOf(sbom)}},
		{"manifests for Flux, which takes a layer that is not there", manifestType, manifests, artifact.LayerOfType("x"), found{Other: true}},
		{"manifests without a layer", manifestType, image(fluxConfig), artifact.LayerOfType(""), found{Other: true}},
		{"a layer whose digest chartgate does not read", manifestType, image(fluxConfig, describe(fluxType, "sha512:"+sha512Hex("x"), 1)), artifact.LayerOfType(""), found{Other: true}},
		{"an index of manifests", indexType, indexOf(r.put(manifestType, manifests)), artifact.LayerOfType(""), found{Other: true}},
		{"a chart for Argo CD", manifestType, image(config, archive), artifact.WholeContent(), found{Layer: parseDigest(t, s.layer)}},
		{"a chart for Flux", manifestType, image(config, archive), artifact.LayerOfType(""), found{Layer: parseDigest(t, s.layer)}},
		{"another layer of a chart for Flux", manifestType, image(config, archive, sbom), artifact.LayerOfType(sbomType), found{Other: true, Layer: digestOf(sbom)}},
		{"two charts for Argo CD", manifestType, image(config, archive, second), artifact.WholeContent(), refused},
		{"two charts that nothing uses as one, for Flux", manifestType, image(config, archive, second), artifact.LayerOfType(""), found{Other: true, Layer: parseDigest(t, s.layer)}},
		{"no chart, by the config of one, for Argo CD", manifestType, image(config, files), artifact.WholeContent(), refused},
		{"what is a manifest or an index", manifestType, on(manifests, `"manifests":[]`), artifact.WholeContent(), refused},
		{"what two readers read differently", manifestType, on(manifests, `"Layers":[]`), artifact.WholeContent(), refused},
		{"what is no manifest", manifestType, "{}", artifact.WholeContent(), refused},
	} {
		t.Run(tc.name, func(t *testing.T) {
			digest, err := s.PushManifest(repo, "", tc.mediaType, []byte(tc.raw))
			if err != nil {
				t.Fatal(err)
			}
			ref := chart.Reference{Location: s.location(t), Selector: mustSelect(t, "@"+digest)}
			got, err := s.client().Artifact(t.Context(), ref, sourceauth.Auth{}, tc.by)
			if tc.want.Kind != 0 {
				equal(t, tc.want.Kind, outcomeOf(t, err).Kind)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if have := (found{Other: got.Other, Layer: got.Layer}); have != tc.want {
				t.Errorf("got %+v, want %+v", have, tc.want)
			}
			equal(t, digest, got.Digest.String())
			if _, err := s.client().Resolve(t.Context(), ref, sourceauth.Auth{}); tc.want.Other && tc.name != "another layer of a chart for Flux" {
				equal(t, problem.KindNotAChart, outcomeOf(t, err).Kind)
			}
			if err := got.CheckLayer(artifact.LayerRule{}); (err != nil) != got.Other {
				t.Errorf("taken for a chart: %v", err)
			}
		})
	}
}

func mustSelect(t *testing.T, text string) chart.Selector {
	t.Helper()
	s, err := chart.ParseTagOrDigest(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
