package registry_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	layerDigest  = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

	nextCheck       = "check the chart's name and version, and that it has been pushed"
	nextPush        = "push the chart with helm push, or correct the reference"
	nextCredentials = "give chartgate credentials (--registry-config) that can pull acme/charts/podinfo from HOST; if it should be public, check the name: registries give the same answer for repositories that do not exist"
)

// chartManifest is a minimal chart manifest, with more fields and layers.
func chartManifest(fields, layers string) string {
	return `{"schemaVersion":2` + fields + `,"config":{"mediaType":"` + artifact.MediaTypeConfig + `"},"layers":[` +
		`{"mediaType":"` + artifact.MediaTypeLayer + `","digest":"` + layerDigest + `","size":1}` + layers + `]}`
}

// TestResolveOneRequest: tags and digests cost exactly one request.
func TestResolveOneRequest(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	plus, plusLayer := s.push(t, "1.0.0+build")
	for name, tc := range map[string]struct {
		ref     string
		want    artifact.Resolved
		request string
	}{
		"a tag":            {"CHART:1.0.0", s.pushed(t, "1.0.0", s.digest, s.layer), "GET /v2/acme/charts/podinfo/manifests/1.0.0"},
		"a digest":         {"CHART@DIGEST", s.resolved(t), "GET /v2/acme/charts/podinfo/manifests/DIGEST"},
		"tag and digest":   {"CHART:9.9.9@DIGEST", s.resolved(t), "GET /v2/acme/charts/podinfo/manifests/DIGEST"},
		"a version with +": {"FLUX 1.0.0+build", s.pushed(t, "1.0.0_build", plus, plusLayer), "GET /v2/acme/charts/podinfo/manifests/1.0.0_build"},
	} {
		t.Run(name, func(t *testing.T) {
			s.Reset()
			got, err := s.client().Resolve(t.Context(), reference(t, s, tc.ref), sourceauth.Auth{})
			if err != nil {
				t.Fatal(err)
			}
			equal(t, tc.want, got, cmp.Comparer(func(a, b artifact.Resolved) bool { return a == b }))
			equal(t, []string{s.text(tc.request)}, s.Requests())
		})
	}
}

// reference reads "CHART:tag", or "FLUX version" and "ARGO revision" as these do.
func reference(t *testing.T, s shelf, text string) chart.Reference {
	t.Helper()
	var selector chart.Selector
	var err error
	if version, ok := strings.CutPrefix(text, "FLUX "); ok {
		selector, err = chart.ParseFluxVersion(version)
	} else if version, ok := strings.CutPrefix(text, "ARGO "); ok {
		selector, err = chart.ParseArgoNativeRevision(version)
	} else {
		ref, err := chart.ParseReference(s.text(text))
		if err != nil {
			t.Fatal(err)
		}
		return ref
	}
	if err != nil {
		t.Fatal(err)
	}
	return chart.Reference{Location: s.location(t), Selector: selector}
}

// TestResolveRange: a range selects from all pages of the list of tags.
func TestResolveRange(t *testing.T) {
	t.Parallel()
	tagsOn := func(pages ...string) registrytest.Fault {
		return func(w http.ResponseWriter, req *http.Request, _ http.Handler) {
			page := 0
			_, _ = fmt.Sscan(req.URL.Query().Get("page"), &page)
			if page+1 < len(pages) {
				w.Header().Set("Link", fmt.Sprintf(`</v2/%s/tags/list?page=%d>; rel="next"`, repo, page+1))
			}
			_, _ = fmt.Fprintf(w, `{"name":%q,"tags":[%s]}`, repo, pages[page])
		}
	}
	for name, tc := range map[string]struct {
		tags     registrytest.Fault
		ref      string
		want     string // version, or the problem's text
		kind     problem.Kind
		requests int
	}{
		"the newest of a range":                    {ref: "FLUX 1.x", want: "1.2.0", requests: 2},
		"a pre-release is not in a plain range":    {ref: "FLUX >=1.0.0", want: "2.0.0", requests: 2},
		"the newest is on the last page":           {tags: tagsOn(`"1.0.0"`, `"1.1.0"`, `"1.2.0"`), ref: "FLUX *", want: "1.2.0", requests: 4},
		"a literal tag goes before the range":      {ref: "ARGO stable", want: "1.0.0", requests: 1},
		"a range where the literal tag is missing": {ref: "ARGO 1.x", want: "1.2.0", requests: 3},
		"nothing in the range":                     {ref: "FLUX 9.x", kind: problem.KindNotFound, want: `CHART: no tag matches the range "9.x"; the newest version there is the tag "2.1.0-rc.1"`, requests: 1},
		"no such repository":                       {tags: registrytest.Status(404), ref: "FLUX 1.x", kind: problem.KindNotFound, want: "HOST has no tags of CHART", requests: 1},
		"a list without end":                       {tags: tagsOn(make([]string, 1000)...), ref: "FLUX 1.x", kind: problem.KindLimitExceeded, want: "tags of CHART could not be read: the list has more pages than chartgate reads", requests: 100},
		"pages that lead in a circle":              {tags: serve("application/json", `{"tags":["1.0.0"]}`, `Link: </v2/acme/charts/podinfo/tags/list>; rel="next"`), ref: "FLUX 1.x", kind: problem.KindLimitExceeded, want: "tags of CHART could not be read: the list has more pages than chartgate reads", requests: 100},
		"a list with too many tags":                {tags: serve("application/json", `{"tags":["1.0.0"`+strings.Repeat(`,"1.0.1"`, 10_000)+`]}`), ref: "FLUX 1.x", kind: problem.KindLimitExceeded, want: "tags of CHART could not be read: there are more than 10000 tags", requests: 1},
		"a list that is too large":                 {tags: registrytest.Huge(3 << 20), ref: "FLUX 1.x", kind: problem.KindLimitExceeded, want: "tags of CHART could not be read: it has more than the 1024 KiB that chartgate reads", requests: 1},
		"a list that is cheap to send only":        {tags: serve("application/json", `{"tags":[`+strings.Repeat(`"",`, 60_000)+`""]}`), ref: "FLUX 1.x", kind: problem.KindLimitExceeded, want: "tags of CHART could not be read: its JSON has more values or levels than chartgate reads", requests: 1},
		"a list that is garbage":                   {tags: serve("text/html", "<html>"), ref: "FLUX 1.x", kind: problem.KindUnavailable, want: "tags of CHART could not be read: it is not valid JSON", requests: 1},
		"a list that goes on at another host":      {tags: serve("application/json", `{"tags":["1.0.0"]}`, `Link: <http://evil.example/v2/x>; rel="next"`), ref: "FLUX 1.x", kind: problem.KindUnavailable, want: "tags of CHART could not be read: the request failed; chartgate's log has the cause", requests: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, registrytest.Options{})
			for _, version := range []string{"1.1.0", "1.2.0", "2.0.0", "2.1.0-rc.1"} {
				s.push(t, version)
			}
			if err := s.Tag(repo, "stable", s.digest); err != nil {
				t.Fatal(err)
			}
			if tc.tags != nil {
				s.Fail("/tags/list", tc.tags)
			}
			got, err := s.client().Resolve(t.Context(), reference(t, s, tc.ref), sourceauth.Auth{})
			equal(t, tc.requests, len(s.Requests()))
			if tc.kind != 0 {
				o := outcomeOf(t, err)
				equal(t, outcome{Kind: tc.kind, Detail: s.text(tc.want)}, outcome{Kind: o.Kind, Detail: o.Detail})
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			digest, _ := s.push(t, tc.want)
			equal(t, digest, got.Digest.String())
		})
	}
}

// TestResolveRefuses: everything that is not one readable chart is an error of the right kind, with
// a message for users.
func TestResolveRefuses(t *testing.T) {
	t.Parallel()
	const manifests = "/manifests/"
	lie := "Docker-Content-Digest: sha256:" + strings.Repeat("b", 64)
	notAChart := func(why string) outcome {
		return outcome{problem.KindNotAChart, "CHART:1.0.0 is not a Helm chart: " + why, nextPush}
	}
	unavailable := func(why string) outcome {
		return outcome{Kind: problem.KindUnavailable, Detail: "CHART:1.0.0 could not be read: " + why}
	}
	unauthorized := func(why string) outcome {
		return outcome{problem.KindUnauthorized, "HOST does not let chartgate read acme/charts/podinfo: " + why, nextCredentials}
	}
	for name, tc := range map[string]struct {
		fault registrytest.Fault
		ref   string // CHART:1.0.0 unless given
		want  outcome
		more  int // requests than one
	}{
		"no such version":       {ref: "CHART:2.0.0", want: outcome{problem.KindNotFound, "HOST has no CHART:2.0.0", nextCheck}, more: 1},
		"no such tag":           {ref: "CHART:main", want: outcome{problem.KindNotFound, "HOST has no CHART:main", nextCheck}},
		"the version without v": {ref: "FLUX v1.0.0", want: outcome{problem.KindNotFound, `HOST has no CHART:v1.0.0; the tag "1.0.0" is there`, `write version: "1.0.0", if that is what you mean`}, more: 1},
		"the version with v":    {ref: "FLUX 3.0.0", want: outcome{problem.KindNotFound, `HOST has no CHART:3.0.0; the tag "v3.0.0" is there`, `write version: "v3.0.0", if that is what you mean`}, more: 1},
		"no such digest":        {ref: "CHART@" + layerDigest, want: outcome{problem.KindNotFound, "HOST has no CHART@" + layerDigest, nextCheck}},
		"no such repository":    {ref: "oci://HOST/acme/charts/other:1.0.0", want: outcome{problem.KindNotFound, "HOST has no oci://HOST/acme/charts/other:1.0.0", nextCheck}, more: 1},
		"the chart's name is repeated": {ref: "oci://HOST/acme/podinfo/podinfo:1.0.0", want: outcome{problem.KindNotFound, "HOST has no oci://HOST/acme/podinfo/podinfo:1.0.0",
			"the chart's name is repeated: take /podinfo off the end of the repository URL, to which the name is appended"}, more: 1},

		"401":                     {fault: registrytest.Status(401), want: unauthorized("the registry answered 401 Unauthorized")},
		"403":                     {fault: registrytest.Status(403), want: unauthorized("the registry answered 403 Forbidden")},
		"429, twice":              {fault: registrytest.Status(429), want: unavailable("too many requests (the registry answered 429 Too Many Requests)"), more: 1},
		"429 for a minute":        {fault: answer(429, "Retry-After: 60"), want: unavailable("too many requests (the registry answered 429 Too Many Requests)")},
		"500 is not repeated":     {fault: registrytest.Status(500), want: unavailable("unexpected answer (the registry answered 500 Internal Server Error)")},
		"502":                     {fault: registrytest.Status(502), want: unavailable("unexpected answer (the registry answered 502 Bad Gateway)"), more: 1},
		"503":                     {fault: registrytest.Status(503), want: unavailable("unexpected answer (the registry answered 503 Service Unavailable)"), more: 1},
		"504":                     {fault: registrytest.Status(504), want: unavailable("unexpected answer (the registry answered 504 Gateway Timeout)"), more: 1},
		"a status without a name": {fault: registrytest.Status(299), want: unavailable("unexpected answer (the registry answered 299)")},
		"206":                     {fault: registrytest.Status(206), want: unavailable("unexpected answer (the registry answered 206 Partial Content)")},
		"reset":                   {fault: registrytest.Reset(), want: unavailable("connection reset"), more: 1},
		"truncated":               {fault: registrytest.Truncated(), want: unavailable("connection closed in the middle of the answer"), more: 1},
		"a redirect in a circle":  {fault: answer(307, "Location: /v2/acme/charts/podinfo/manifests/1.0.0"), want: unavailable("the registry redirects more than 4 times"), more: 4},
		"a redirect to plain HTTP elsewhere": {fault: answer(307, "Location: http://169.254.169.254/latest/meta-data"),
			want: unavailable(`the registry sends chartgate to "169.254.169.254" over plain HTTP, which is refused`)},
		"a redirect to another scheme": {fault: answer(307, "Location: file:///etc/passwd"), want: unavailable(`the registry sends chartgate to "" over plain HTTP, which is refused`)},

		"too large":           {fault: registrytest.Huge(2 << 20), want: outcome{Kind: problem.KindLimitExceeded, Detail: "CHART:1.0.0 could not be read: it has more than the 1024 KiB that chartgate reads"}},
		"too many values":     {fault: serve(manifestType, chartManifest("", strings.Repeat(",{}", 60_000))), want: outcome{problem.KindLimitExceeded, "CHART:1.0.0 is not a Helm chart: its JSON has more values or levels than chartgate reads", nextPush}},
		"too deep":            {fault: serve(manifestType, chartManifest(`,"x":`+strings.Repeat("[", 20)+strings.Repeat("]", 20), "")), want: outcome{problem.KindLimitExceeded, "CHART:1.0.0 is not a Helm chart: its JSON has more values or levels than chartgate reads", nextPush}},
		"garbage":             {fault: serve(manifestType, "<html>"), want: notAChart("it is not valid JSON")},
		"nothing":             {fault: serve(manifestType, ""), want: notAChart("it is not valid JSON")},
		"JSON and more":       {fault: serve(manifestType, chartManifest("", "")+"{}"), want: notAChart("it is not valid JSON")},
		"not UTF-8":           {fault: serve(manifestType, chartManifest(",\"x\":\"\xff\"", "")), want: notAChart("it is not valid JSON")},
		"a form of its own":   {fault: serve(manifestType, `{"layers":{}}`), want: notAChart("its manifest does not have the form of a manifest")},
		"gzip":                {fault: serve(manifestType, "\x1f\x8b\x08", "Content-Encoding: gzip"), want: notAChart("it is not valid JSON")},
		"null":                {fault: serve(manifestType, `null`), want: notAChart("its manifest does not have the schema version 2")},
		"the header lies":     {fault: with(lie), want: outcome{Kind: problem.KindDigestMismatch, Detail: `CHART:1.0.0 could not be read: the registry shows the digest "sha256:` + strings.Repeat("b", 64) + `" for content with the digest DIGEST`}},
		"the header is junk":  {fault: with("Docker-Content-Digest: x"), want: outcome{Kind: problem.KindDigestMismatch, Detail: `CHART:1.0.0 could not be read: the registry shows the digest "x" for content with the digest DIGEST`}},
		"the content differs": {ref: "CHART@DIGEST", fault: serve(manifestType, "{}"), want: outcome{Kind: problem.KindDigestMismatch, Detail: "CHART@DIGEST could not be read: the registry serves content with the digest sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}},
		"the content differs, and its header too": {ref: "CHART@DIGEST", fault: serve(manifestType, "{}", "Docker-Content-Digest: sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"),
			want: outcome{Kind: problem.KindDigestMismatch, Detail: "CHART@DIGEST could not be read: the registry serves content with the digest sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}},

		"an index":                       {fault: serve("application/vnd.oci.image.index.v1+json", `{"schemaVersion":2,"manifests":[]}`), want: notAChart("it is an image index without a Helm chart in it")},
		"an index of another form":       {fault: serve("application/vnd.oci.image.index.v1+json", `{"schemaVersion":2,"manifests":{}}`), want: notAChart("its index does not have the form of an image index")},
		"a docker manifest":              {fault: serve("application/vnd.docker.distribution.manifest.v2+json", chartManifest("", "")), want: notAChart(`its media type is "application/vnd.docker.distribution.manifest.v2+json"`)},
		"no media type":                  {fault: serve("", chartManifest("", "")), want: notAChart(`its media type is ""`)},
		"two media types":                {fault: serve(manifestType, chartManifest(`,"mediaType":"application/vnd.oci.image.index.v1+json"`, "")), want: notAChart(`its media type is both "application/vnd.oci.image.manifest.v1+json" and "application/vnd.oci.image.index.v1+json"`)},
		"an index too (CVE-2021-41190)":  {fault: serve(manifestType, chartManifest(`,"manifests":[]`, "")), want: notAChart("its manifest lists manifests as an index does")},
		"an index too, in other letters": {fault: serve(manifestType, chartManifest(`,"Manifests":null`, "")), want: notAChart("its manifest lists manifests as an index does")},
		"another schema":                 {fault: serve(manifestType, strings.Replace(chartManifest("", ""), "2", "1", 1)), want: notAChart("its manifest does not have the schema version 2")},
		"layers twice":                   {fault: serve(manifestType, chartManifest(`,"layers":[]`, "")), want: notAChart("its JSON is ambiguous: it has one name twice in one object")},
		"layers twice, in other letters": {fault: serve(manifestType, chartManifest(`,"LAYERs":[]`, "")), want: notAChart("its JSON is ambiguous: it has one name twice in one object")},
		"layers twice, with a long s":    {fault: serve(manifestType, chartManifest(`,"layerſ":[]`, "")), want: notAChart("its JSON is ambiguous: it has one name twice in one object")},
		"a digest twice":                 {fault: serve(manifestType, chartManifest("", `,{"digest":"x","Digest":"y"}`)), want: notAChart("its JSON is ambiguous: it has one name twice in one object")},
		"an image":                       {fault: serve(manifestType, strings.Replace(chartManifest("", ""), artifact.MediaTypeConfig, "application/vnd.oci.image.config.v1+json", 1)), want: notAChart(`its config has the media type "application/vnd.oci.image.config.v1+json"`)},
		"two archives":                   {fault: serve(manifestType, chartManifest("", `,{"mediaType":"`+artifact.MediaTypeLayer+`","digest":"`+layerDigest+`"}`)), want: outcome{problem.KindNotAChart, "CHART:1.0.0 is not a Helm chart: it has 2 chart archives, of which helm takes any", "push the chart alone"}},
		"no archive":                     {fault: serve(manifestType, `{"schemaVersion":2,"config":{"mediaType":"`+artifact.MediaTypeConfig+`"}}`), want: notAChart("it has the config of a chart, but no layer with a chart archive")},
		"a layer with a sha512 digest":   {fault: serve(manifestType, strings.Replace(chartManifest("", ""), layerDigest, "sha512:x", 1)), want: notAChart(`its chart archive has the digest "sha512:x"`)},

		"a classic repository": {ref: "https://charts.acme.example/podinfo:1.0.0", more: -1, want: outcome{Kind: problem.KindNotOCI, Detail: "https://charts.acme.example/podinfo is not in an OCI registry, so it cannot carry signatures"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, registrytest.Options{})
			s.push(t, "v3.0.0")
			if tc.fault != nil {
				s.Fail(manifests, tc.fault)
			}
			if tc.ref == "" {
				tc.ref = "CHART:1.0.0"
			}
			got, err := s.client().Resolve(t.Context(), reference(t, s, tc.ref), sourceauth.Auth{})
			if got != (artifact.Resolved{}) {
				t.Errorf("resolved to %v", got)
			}
			want := outcome{tc.want.Kind, s.text(tc.want.Detail), s.text(tc.want.Next)}
			equal(t, want, outcomeOf(t, err))
			equal(t, 1+tc.more, len(s.Requests()))
		})
	}
}

// TestErrorsOfRangesNameTheTag: an error after a range has selected a tag names that tag, and its
// digest if that is known.
func TestErrorsOfRangesNameTheTag(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault registrytest.Fault
		want  string
	}{
		"it is no chart":      {serve(manifestType, `{"schemaVersion":2,"config":{"mediaType":"x"}}`), `CHART:1.2.0@sha256:` + sha256Hex(`{"schemaVersion":2,"config":{"mediaType":"x"}}`) + ` (the newest of "1.x") is not a Helm chart: its config has the media type "x"`},
		"it is not there":     {answer(404), `HOST has no CHART:1.2.0 (the newest of "1.x")`},
		"it cannot be read":   {answer(500), `CHART:1.2.0 (the newest of "1.x") could not be read: unexpected answer (the registry answered 500 Internal Server Error)`},
		"it may not be read":  {answer(403), `HOST does not let chartgate read acme/charts/podinfo: the registry answered 403 Forbidden`},
		"it is something big": {registrytest.Huge(2 << 20), `CHART:1.2.0 (the newest of "1.x") could not be read: it has more than the 1024 KiB that chartgate reads`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, registrytest.Options{})
			s.push(t, "1.2.0")
			s.Fail("/manifests/1.2.0", tc.fault)
			_, err := s.client().Resolve(t.Context(), reference(t, s, "FLUX 1.x"), sourceauth.Auth{})
			equal(t, s.text(tc.want), outcomeOf(t, err).Detail)
		})
	}
	s := newShelf(t, registrytest.Options{})
	s.push(t, "1.2.0_b")
	for ref, want := range map[string]string{"FLUX 1.x": "1.2.0_b", "FLUX 1.0.0": "1.0.0", "CHART@DIGEST": ""} {
		resolved, err := s.client().Resolve(t.Context(), reference(t, s, ref), sourceauth.Auth{})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, want, resolved.Tag)
	}
}

// TestResolveAccepts: charts that are unusual and valid.
func TestResolveAccepts(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]registrytest.Fault{
		"a provenance file":               serve(manifestType, chartManifest("", `,{"mediaType":"application/vnd.cncf.helm.chart.provenance.v1.prov"}`)),
		"two provenance files":            serve(manifestType, chartManifest("", strings.Repeat(`,{"mediaType":"application/vnd.cncf.helm.chart.provenance.v1.prov"}`, 2))),
		"a media type of its own":         serve(manifestType, chartManifest(`,"mediaType":"`+manifestType+`"`, "")),
		"a content type with a charset":   serve(manifestType+"; charset=utf-8", chartManifest("", "")),
		"annotations that differ in case": serve(manifestType, chartManifest(`,"annotations":{"a":"1","A":"2"}`, "")),
		"fields that nobody knows":        serve(manifestType, chartManifest(`,"x":[1,null,true,"y"]`, "")),
		"no length in the header":         registrytest.Huge(1),
		"a sha512 digest in the header": serve(manifestType, chartManifest("", ""),
			"Docker-Content-Digest: sha512:"+sha512Hex(chartManifest("", ""))),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, registrytest.Options{})
			s.Fail("/manifests/", fault)
			if _, err := s.client().Resolve(t.Context(), reference(t, s, "CHART:1.0.0"), sourceauth.Auth{}); err != nil {
				t.Error(err)
			}
			for _, request := range s.Requests() {
				equal(t, "GET /v2/acme/charts/podinfo/manifests/1.0.0", request)
			}
		})
	}
}

// TestResolveInTime: no request takes longer than the context.
func TestResolveInTime(t *testing.T) {
	t.Parallel()
	timeout := outcome{Kind: problem.KindTimeout, Detail: "HOST did not give CHART:1.0.0 in time"}
	for name, tc := range map[string]struct {
		fault registrytest.Fault
		want  outcome
	}{
		"a slow answer": {registrytest.Slow(time.Minute), timeout},
		"a slow body":   {drip, timeout},
		"a retry that the deadline leaves no time for": {answer(503, "Retry-After: 1"),
			outcome{Kind: problem.KindUnavailable, Detail: "CHART:1.0.0 could not be read: unexpected answer (the registry answered 503 Service Unavailable)"}},
		"a slow retry": {func() registrytest.Fault {
			first := registrytest.Times(1, registrytest.Status(503))
			return func(w http.ResponseWriter, req *http.Request, healthy http.Handler) {
				first(w, req, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { registrytest.Slow(time.Minute)(w, req, healthy) }))
			}
		}(), timeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, registrytest.Options{})
			s.Fail("/manifests/", tc.fault)
			ctx, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond)
			defer cancel()
			start := time.Now()
			_, err := s.client().Resolve(ctx, reference(t, s, "CHART:1.0.0"), sourceauth.Auth{})
			equal(t, outcome{tc.want.Kind, s.text(tc.want.Detail), ""}, outcomeOf(t, err))
			if took := time.Since(start); took > 3*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

// drip sends a byte at a time.
func drip(w http.ResponseWriter, req *http.Request, _ http.Handler) {
	for req.Context().Err() == nil {
		_, _ = w.Write([]byte(" "))
		_ = http.NewResponseController(w).Flush()
		time.Sleep(10 * time.Millisecond)
	}
}

// TestResolveCanceled: if the caller goes away, that is a timeout and not an error of the registry.
func TestResolveCanceled(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.client().Resolve(ctx, reference(t, s, "CHART:1.0.0"), sourceauth.Auth{})
	equal(t, problem.KindTimeout, outcomeOf(t, err).Kind)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the cause is lost: %v", err)
	}
}

// TestResolveNothing: zero values are errors, without a request.
func TestResolveNothing(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	full := reference(t, s, "CHART:1.0.0")
	host, err := chart.ParseLocation("oci://" + s.Host())
	if err != nil {
		t.Fatal(err)
	}
	for name, ref := range map[string]chart.Reference{
		"no reference": {},
		"no location":  {Selector: full.Selector},
		"no selector":  {Location: full.Location},
		"no chart":     {Location: host, Selector: full.Selector},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.client().Resolve(t.Context(), ref, sourceauth.Auth{})
			equal(t, problem.KindInvalid, outcomeOf(t, err).Kind)
		})
	}
	equal(t, 0, len(s.Requests()))
}

// TestRepeatedName: registries give different answers for repositories that do not exist; the next
// step names the most common mistake for each of them.
func TestRepeatedName(t *testing.T) {
	t.Parallel()
	const hint = "the chart's name is repeated: take /podinfo off the end of the repository URL, to which the name is appended"
	for name, tc := range map[string]struct {
		options registrytest.Options
		fail    string
		fault   registrytest.Fault
	}{
		"404":                         {},
		"403 by the registry":         {fail: "/manifests/", fault: answer(403)},
		"401 by the registry":         {fail: "/manifests/", fault: answer(401)},
		"403 by the token service":    {options: registrytest.Options{Auth: registrytest.Bearer}, fail: "/token", fault: answer(403)},
		"wants a password":            {options: registrytest.Options{Auth: registrytest.Basic, Username: "u", Password: "p"}},
		"403 for the tags of a range": {fail: "/tags/", fault: answer(403)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, tc.options)
			if tc.fail != "" {
				s.Fail(tc.fail, tc.fault)
			}
			for _, chartName := range []string{"podinfo/podinfo", "podinfo"} {
				ref, err := chart.ParseReference("oci://" + s.Host() + "/acme/" + chartName + ":1.0.0")
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(name, "range") {
					if ref.Selector, err = chart.ParseFluxVersion("1.x"); err != nil {
						t.Fatal(err)
					}
				}
				_, err = s.client().Resolve(t.Context(), ref, sourceauth.Auth{})
				got := wholeOutcomeOf(t, err)
				if strings.HasPrefix(got.Next, hint) != (chartName != "podinfo") || got.Next == "" {
					t.Errorf("%s: %+v", chartName, got)
				}
			}
		})
	}
}
