package registry_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

const (
	bundleType = "application/vnd.dev.sigstore.bundle.v0.3+json"
	legacyType = "application/vnd.dev.cosign.simplesigning.v1+json"
)

func marked(predicate string) map[string]string {
	return map[string]string{"dev.sigstore.bundle.predicateType": predicate}
}

func (s shelf) bundle(t *testing.T, content string, annotations map[string]string) (digest string) {
	t.Helper()
	digest, err := s.AttachBundle(repo, s.digest, []byte(content), annotations)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func (s shelf) legacySignature(t *testing.T, payload string, annotations map[string]string) {
	t.Helper()
	if err := s.AttachLegacy(repo, s.digest, []byte(payload), annotations); err != nil {
		t.Fatal(err)
	}
}

// TestSignaturesInOrder: the marks order the work, and legacy comes last, newest
// first.
func TestSignaturesInOrder(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	s.legacySignature(t, "old", map[string]string{"dev.cosignproject.cosign/signature": "1"})
	s.legacySignature(t, "new", map[string]string{"dev.cosignproject.cosign/signature": "2"})
	s.legacySignature(t, "old", map[string]string{"dev.cosignproject.cosign/signature": "3"})
	s.bundle(t, "provenance", marked("https://slsa.dev/provenance/v1"))
	s.bundle(t, "unmarked", map[string]string{})
	s.bundle(t, "signature", marked("https://sigstore.dev/cosign/sign/v1"))
	found, problems := collect(t.Context(), t, s.client(), s.resolved(t))
	equal(t, []outcome(nil), problems)
	equal(t, []string{
		"bundle: signature", "bundle: unmarked", "bundle: provenance",
		"legacy signature: old", "legacy signature: new", "legacy signature: old",
	}, contents(found))
	equal(t, "3", found[3].Annotations["dev.cosignproject.cosign/signature"])
	equal(t, "sha256:"+sha256Hex("new"), found[4].Source.String())
	equal(t, 1, count(s.Requests(), "/blobs/sha256:"+sha256Hex("old")))
}

// TestUnknownReferrersLast: what is listed without an artifact type may be
// anything.
func TestUnknownReferrersLast(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	unknown := listed(s.bundle(t, "unknown", nil), "-")
	empty := listed(s.bundle(t, "empty", nil), "application/vnd.oci.empty.v1+json")
	provenance := listed(s.bundle(t, "provenance", nil), bundleType)
	provenance["annotations"] = marked("https://slsa.dev/provenance/v1")
	s.Fail("/referrers/", serveIndex(unknown, empty, provenance))
	found, problems := collect(t.Context(), t, s.client(), s.resolved(t))
	equal(t, []outcome(nil), problems)
	equal(t, []string{"bundle: provenance", "bundle: empty", "bundle: unknown"}, contents(found))
}

// TestBundleSource: the source of a bundle is its manifest.
func TestBundleSource(t *testing.T) {
	t.Parallel()
	for _, options := range []registrytest.Options{{}, {NoReferrers: true}} {
		s := newShelf(t, options)
		digest := s.bundle(t, "signature", nil)
		found, problems := collect(t.Context(), t, s.client(), s.resolved(t))
		equal(t, []outcome(nil), problems)
		want := []attachment.Attachment{{Format: attachment.Bundle, Source: parseDigest(t, digest), Content: []byte("signature")}}
		equal(t, fmt.Sprint(want), fmt.Sprint(found))
	}
}

// TestRequestBudget: what one admission costs a registry.
func TestRequestBudget(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		options     registrytest.Options
		bundle      bool
		cold, known int // requests of a new client, and of one that knows the host
	}{
		"a bundle":                            {bundle: true, cold: 4, known: 4},
		"a bundle, no referrers API":          {options: registrytest.Options{NoReferrers: true}, bundle: true, cold: 5, known: 4},
		"legacy":                              {cold: 4, known: 4},
		"legacy, no referrers API":            {options: registrytest.Options{NoReferrers: true}, cold: 5, known: 4},
		"a bundle, with a token":              {options: registrytest.Options{Auth: registrytest.Bearer}, bundle: true, cold: 6, known: 4},
		"a bundle, with a password":           {options: registrytest.Options{Auth: registrytest.Basic, Username: "u", Password: "p"}, bundle: true, cold: 5, known: 4},
		"legacy, with a token, no referrers":  {options: registrytest.Options{Auth: registrytest.Bearer, NoReferrers: true}, cold: 7, known: 4},
		"a bundle, over TLS, no referrers":    {options: registrytest.Options{TLS: true, NoReferrers: true}, bundle: true, cold: 5, known: 4},
		"legacy, over TLS, with the password": {options: registrytest.Options{TLS: true, Auth: registrytest.Basic, Username: "u", Password: "p"}, cold: 5, known: 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, tc.options)
			if tc.bundle {
				s.bundle(t, "signature", nil)
			} else {
				s.legacySignature(t, "signature", nil)
			}
			c := registry.New(s.options(t, "u", "p"))
			for _, budget := range []int{tc.cold, tc.known} {
				s.Reset()
				admit(t, c, s)
				if got := s.Requests(); len(got) != budget {
					t.Errorf("%d requests, want %d:\n%s", len(got), budget, strings.Join(got, "\n"))
				}
			}
		})
	}
}

// admit does what an admission does with one good signature.
func admit(t *testing.T, c *registry.Client, s shelf) {
	t.Helper()
	resolved, err := c.Resolve(t.Context(), reference(t, s, "CHART:1.0.0"), sourceauth.Auth{})
	if err != nil {
		t.Fatal(err)
	}
	for material, err := range c.Signatures(t.Context(), resolved, attachment.Search{}) {
		if err != nil {
			t.Fatal(err)
		}
		if string(material.Content) == "signature" {
			return
		}
	}
	t.Fatal("no signature")
}

// TestReferrersAPIAppears: a host that gets the referrers API is noticed at once,
// since a search that finds nothing good asks for it after all. From then on the fallback tag is
// only asked last.
func TestReferrersAPIAppears(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	s.bundle(t, "signature", nil)
	s.Fail("/referrers/", registrytest.Times(1, registrytest.Status(404)))
	c := s.client()
	for _, want := range [][]string{nil, {"bundle: signature"}, {"bundle: signature"}} {
		s.Reset()
		found, problems := collect(t.Context(), t, c, s.resolved(t))
		equal(t, []outcome(nil), problems)
		equal(t, want, contents(found))
	}
	requests := s.Requests()
	equal(t, "GET /v2/"+repo+"/referrers/"+s.digest, requests[0])
	equal(t, "GET /v2/"+repo+"/manifests/sha256-"+strings.TrimPrefix(s.digest, "sha256:"), requests[len(requests)-1])
}

// TestLacksReferrersAPI: the ways of registries to say so lead to the fallback
// tag.
func TestLacksReferrersAPI(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]registrytest.Fault{
		"404":                            answer(404),
		"404, with an error code":        serve404("NAME_UNKNOWN"),
		"400":                            registrytest.Status(400),
		"405":                            registrytest.Status(405),
		"406":                            registrytest.Status(406),
		"501":                            registrytest.Status(501),
		"200, with a page for a browser": serve("text/html", "<html>"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, registrytest.Options{NoReferrers: true})
			s.bundle(t, "signature", nil)
			s.Fail("/referrers/", fault)
			found, problems := collect(t.Context(), t, s.client(), s.resolved(t))
			equal(t, []outcome(nil), problems)
			equal(t, []string{"bundle: signature"}, contents(found))
		})
	}
}

func serve404(code string) registrytest.Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.WriteHeader(404)
		_, _ = fmt.Fprintf(w, `{"errors":[{"code":%q}]}`, code)
	}
}

// TestSignaturesDespiteFaults: one bad thing is one problem, and the search goes
// on.
func TestSignaturesDespiteFaults(t *testing.T) {
	t.Parallel()
	unavailable := func(what, why string) outcome {
		return outcome{Kind: problem.KindUnavailable, Detail: what + " could not be read: " + why}
	}
	const list, signature = "the list of referrers of CHART@DIGEST", "the legacy signatures of CHART@DIGEST"
	for name, tc := range map[string]struct {
		requests string
		fault    registrytest.Fault
		want     outcome
		found    []string
	}{
		"no list of referrers": {"/referrers/", registrytest.Status(500), unavailable(list, "unexpected answer (the registry answered 500 Internal Server Error)"), []string{"legacy signature: legacy"}},
		"the list is for others": {"/referrers/", registrytest.Status(403), outcome{problem.KindUnauthorized, "HOST does not let chartgate read acme/charts/podinfo: the registry answered 403 Forbidden", nextCredentials},
			[]string{"legacy signature: legacy"}},
		"the list is reset":   {"/referrers/", registrytest.Reset(), unavailable(list, "connection reset"), []string{"legacy signature: legacy"}},
		"the list is garbage": {"/referrers/", serve("application/vnd.oci.image.index.v1+json", "{"), unavailable(list, "it is not valid JSON"), []string{"legacy signature: legacy"}},
		"the list is huge": {"/referrers/", registrytest.Huge(2 << 20), outcome{Kind: problem.KindLimitExceeded, Detail: list + " could not be read: it has more than the 1024 KiB that chartgate reads"},
			[]string{"legacy signature: legacy"}},
		"the list leads elsewhere": {"/referrers/", with(`Link: <https://evil.example/>; rel="next"`), unavailable(list, "the request failed; chartgate's log has the cause"),
			[]string{"bundle: bundle", "legacy signature: legacy"}},
		"the list leads nowhere": {"/referrers/", with(`Link: </v2/acme/charts/podinfo/referrers/sha256:0>; rel="next"`), unavailable(list, "a page of the list is missing"),
			[]string{"bundle: bundle", "legacy signature: legacy"}},
		"the list leads in a circle": {"/referrers/", with(`Link: <?again>; rel="next"`), outcome{Kind: problem.KindLimitExceeded, Detail: list + " could not be read: the list has more pages than chartgate reads"},
			[]string{"bundle: bundle", "legacy signature: legacy"}},
		"the bundle is broken":    {"/blobs/sha256:" + sha256Hex("bundle"), registrytest.Reset(), unavailable("the referrer BUNDLE of CHART@DIGEST", "connection reset"), []string{"legacy signature: legacy"}},
		"the bundle lies":         {"/blobs/sha256:" + sha256Hex("bundle"), serve("", "lie"), outcome{Kind: problem.KindDigestMismatch, Detail: "the referrer BUNDLE of CHART@DIGEST could not be read: the registry serves content with the digest sha256:" + sha256Hex("lie")}, []string{"legacy signature: legacy"}},
		"the bundle is huge":      {"/blobs/sha256:" + sha256Hex("bundle"), registrytest.Huge(2 << 20), outcome{Kind: problem.KindLimitExceeded, Detail: "the referrer BUNDLE of CHART@DIGEST could not be read: it has more than the 1024 KiB that chartgate reads"}, []string{"legacy signature: legacy"}},
		"the bundle is missing":   {"/blobs/sha256:" + sha256Hex("bundle"), registrytest.Status(404), outcome{Kind: problem.KindInvalid, Detail: "the referrer BUNDLE of CHART@DIGEST is listed but not there"}, []string{"legacy signature: legacy"}},
		"the manifest is missing": {"/manifests/BUNDLE", registrytest.Status(404), outcome{Kind: problem.KindInvalid, Detail: "the referrer BUNDLE of CHART@DIGEST is listed but not there"}, []string{"legacy signature: legacy"}},
		"the manifest lies":       {"/manifests/BUNDLE", serve(manifestType, "{}"), outcome{Kind: problem.KindDigestMismatch, Detail: "the referrer BUNDLE of CHART@DIGEST could not be read: the registry serves content with the digest sha256:" + sha256Hex("{}")}, []string{"legacy signature: legacy"}},
		"no .sig":                 {".sig$", registrytest.Status(500), unavailable(signature, "unexpected answer (the registry answered 500 Internal Server Error)"), []string{"bundle: bundle"}},
		"the .sig is an index":    {".sig$", serve("application/vnd.oci.image.index.v1+json", "{}"), outcome{Kind: problem.KindInvalid, Detail: signature + ` is not a readable list of signatures: its media type is "application/vnd.oci.image.index.v1+json"`}, []string{"bundle: bundle"}},
		"the .sig is garbage":     {".sig$", serve(manifestType, "{"), outcome{Kind: problem.KindInvalid, Detail: signature + ` is not a readable list of signatures: it is not valid JSON`}, []string{"bundle: bundle"}},
		"the payload lies":        {"/blobs/sha256:" + sha256Hex("legacy"), serve("", "lie"), outcome{Kind: problem.KindDigestMismatch, Detail: `the legacy signature "sha256:` + sha256Hex("legacy") + `" of CHART@DIGEST could not be read: the registry serves content with the digest sha256:` + sha256Hex("lie")}, []string{"bundle: bundle"}},
		"the payload is huge":     {"/blobs/sha256:" + sha256Hex("legacy"), registrytest.Huge(1 << 20), outcome{Kind: problem.KindLimitExceeded, Detail: `the legacy signature "sha256:` + sha256Hex("legacy") + `" of CHART@DIGEST could not be read: it has more than the 64 KiB that chartgate reads`}, []string{"bundle: bundle"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, registrytest.Options{})
			digest := s.bundle(t, "bundle", nil)
			s.legacySignature(t, "legacy", nil)
			fill := func(text string) string { return s.text(strings.ReplaceAll(text, "BUNDLE", digest)) }
			s.Fail(fill(tc.requests), tc.fault)
			found, problems := collect(t.Context(), t, s.client(), s.resolved(t))
			equal(t, []outcome{{tc.want.Kind, fill(tc.want.Detail), s.text(tc.want.Next)}}, problems)
			equal(t, tc.found, contents(found))
		})
	}
}

// TestFallbackLies: the index under the fallback tag must have the digest that the
// registry shows.
func TestFallbackLies(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{NoReferrers: true})
	s.bundle(t, "bundle", nil)
	s.Fail("/manifests/sha256-[0-9a-f]*$", with("Docker-Content-Digest: "+layerDigest))
	found, problems := collect(t.Context(), t, s.client(), s.resolved(t))
	equal(t, []string(nil), contents(found))
	equal(t, []outcome{{Kind: problem.KindDigestMismatch, Detail: s.text("the list of referrers of CHART@DIGEST could not be read: the content is not what its digest promises")}}, problems)
}

// TestJunkReferrers: what is no bundle is passed over; what says that it is one
// and is not is a problem; neither keeps the signature out.
func TestJunkReferrers(t *testing.T) {
	t.Parallel()
	layer := func(mediaType string) string {
		return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":1}`, mediaType, layerDigest)
	}
	unreadable := func(why string) *outcome {
		return &outcome{Kind: problem.KindInvalid, Detail: "the referrer JUNK of CHART@DIGEST is not a readable bundle: " + why}
	}
	const subject = `"subject":{"digest":"DIGEST"}`
	for name, tc := range map[string]struct {
		artifactType string // as listed; "-" for none
		manifest     string // without schemaVersion
		want         *outcome
	}{
		"an SBOM":                        {"application/spdx+json", `"layers":[` + layer("application/spdx+json") + `],` + subject, nil},
		"an SBOM, listed without type":   {"-", `"layers":[` + layer("application/spdx+json") + `],` + subject, nil},
		"an SBOM, listed as a bundle":    {bundleType, `"layers":[` + layer("application/spdx+json") + `],` + subject, unreadable("it has 0 layers with a bundle, not one")},
		"a bundle of another chart":      {bundleType, `"layers":[` + layer(bundleType) + `],"subject":{"digest":"` + layerDigest + `"}`, unreadable("it refers to something else")},
		"a bundle of nothing":            {bundleType, `"layers":[` + layer(bundleType) + `]`, unreadable("it refers to something else")},
		"two bundles":                    {bundleType, `"layers":[` + layer(bundleType) + `,` + layer(bundleType) + `],` + subject, unreadable("it has 2 layers with a bundle, not one")},
		"a bundle with a sha512 digest":  {bundleType, strings.ReplaceAll(`"layers":[`+layer(bundleType)+`],`+subject, layerDigest, "sha512:x"), unreadable("its digest is not a sha256 digest")},
		"a bundle that is not there":     {bundleType, `"layers":[` + layer(bundleType) + `],` + subject, &outcome{Kind: problem.KindInvalid, Detail: "the referrer JUNK of CHART@DIGEST is listed but not there"}},
		"a bundle too large to ask for":  {bundleType, strings.ReplaceAll(`"layers":[`+layer(bundleType)+`],`+subject, `"size":1`, `"size":1048577`), &outcome{Kind: problem.KindLimitExceeded, Detail: "the referrer JUNK of CHART@DIGEST could not be read: it has more than the 1024 KiB that chartgate reads"}},
		"a manifest with layers twice":   {bundleType, `"layers":[],"layers":[]`, unreadable("its JSON is ambiguous: it has one name twice in one object")},
		"a similar media type":           {"application/vnd.dev.sigstore.bundles", `"layers":[]`, nil},
		"an older kind of bundle, empty": {"application/vnd.dev.sigstore.bundle+json;version=0.2", `"layers":[]`, unreadable("it refers to something else")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, registrytest.Options{NoReferrers: true})
			good := s.bundle(t, "signature", nil)
			body := s.text(`{"schemaVersion":2,` + tc.manifest + `}`)
			junk := "sha256:" + sha256Hex(body)
			s.Fail("/manifests/"+junk, serve(manifestType, body))
			s.Fail("/referrers/", serveIndex(listed(junk, tc.artifactType), listed(junk, tc.artifactType), listed("sha512:x", bundleType), listed(good, "-")))
			found, problems := collect(t.Context(), t, s.client(), s.resolved(t))
			var want []outcome
			if tc.want != nil {
				want = []outcome{{tc.want.Kind, s.text(strings.ReplaceAll(tc.want.Detail, "JUNK", junk)), ""}}
			}
			equal(t, want, problems)
			equal(t, []string{"bundle: signature"}, contents(found))
		})
	}
}

func listed(digest, artifactType string) map[string]any {
	d := map[string]any{"mediaType": manifestType, "digest": digest, "size": 1}
	if artifactType != "-" {
		d["artifactType"] = artifactType
	}
	return d
}

func serveIndex(manifests ...map[string]any) registrytest.Fault {
	body, err := json.Marshal(map[string]any{"schemaVersion": 2, "manifests": manifests})
	if err != nil {
		panic(err)
	}
	return serve("application/vnd.oci.image.index.v1+json", string(body))
}

// TestTooMany: a crowd of strangers costs a bounded number of requests, is named,
// and does not hide a marked signature.
func TestTooMany(t *testing.T) {
	t.Parallel()
	t.Run("thousands of referrers", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t, registrytest.Options{})
		good := s.bundle(t, "signature", nil)
		crowd := []map[string]any{}
		for i := range 3000 {
			crowd = append(crowd, listed("sha256:"+sha256Hex(fmt.Sprint(i)), bundleType))
		}
		crowd[500]["digest"], crowd[500]["annotations"] = good, marked("https://sigstore.dev/cosign/sign/v1")
		s.Fail("/referrers/", serveIndex(crowd...))
		found, problems := collect(t.Context(), t, s.client(), s.resolved(t))
		equal(t, []string{"bundle: signature"}, contents(found))
		equal(t, 499+2, len(problems))
		equal(t, outcome{problem.KindLimitExceeded, s.text("CHART@DIGEST has 1000 referrers with signature material, of which chartgate looked at 500 only"),
			"remove old referrers from the registry, or sign again under a new version"}, problems[499])
		equal(t, outcome{Kind: problem.KindLimitExceeded, Detail: s.text("the list of referrers of CHART@DIGEST could not be read: there are more than 1000")}, problems[500])
		equal(t, 1+500+1+1+1, len(s.Requests())) // the list, 500 manifests, one blob, .sig, the fallback tag
	})
	t.Run("legacy signatures", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t, registrytest.Options{})
		for i := range 510 {
			s.legacySignature(t, fmt.Sprint(i), nil)
		}
		found, problems := collect(t.Context(), t, s.client(), s.resolved(t))
		equal(t, 500, len(found))
		equal(t, "509", string(found[0].Content))
		equal(t, []outcome{{problem.KindLimitExceeded, s.text("CHART@DIGEST has 510 legacy signatures, of which chartgate looked at 500 only"),
			"remove old legacy signatures from the registry, or sign again under a new version"}}, problems)
	})
	t.Run("annotations of a legacy signature", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t, registrytest.Options{})
		s.legacySignature(t, "good", nil)
		s.legacySignature(t, "big", map[string]string{"a": strings.Repeat("x", 200<<10)})
		found, problems := collect(t.Context(), t, s.client(), s.resolved(t))
		equal(t, []string{"legacy signature: good"}, contents(found))
		equal(t, []outcome{{Kind: problem.KindLimitExceeded, Detail: s.text(`the legacy signature "sha256:` + sha256Hex("big") + `" of CHART@DIGEST could not be read: its annotations have more than the 128 KiB that chartgate reads`)}}, problems)
	})
	t.Run("the manifest of a bundle", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t, registrytest.Options{})
		d := listed(layerDigest, bundleType)
		d["size"] = 2 << 20
		s.Fail("/referrers/", serveIndex(d))
		_, problems := collect(t.Context(), t, s.client(), s.resolved(t))
		equal(t, []outcome{{Kind: problem.KindLimitExceeded, Detail: s.text(`the referrer ` + layerDigest + ` of CHART@DIGEST could not be read: its manifest has more than the 1024 KiB that chartgate reads`)}}, problems)
		equal(t, 0, count(s.Requests(), layerDigest))
	})
}

// TestLegacyDocker: cosign can be told to write docker's media type.
func TestLegacyDocker(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	s.legacySignature(t, "legacy", nil)
	raw, err := s.Manifest(repo, "sha256-"+strings.TrimPrefix(s.digest, "sha256:")+".sig")
	if err != nil {
		t.Fatal(err)
	}
	const docker = "application/vnd.docker.distribution.manifest.v2+json"
	s.Fail(".sig$", serve(docker, strings.Replace(string(raw), manifestType, docker, 1)))
	found, problems := collect(t.Context(), t, s.client(), s.resolved(t))
	equal(t, []outcome(nil), problems)
	equal(t, []string{"legacy signature: legacy"}, contents(found))
}

// TestLegacyStrangers: other layers of the .sig manifest are no signatures.
func TestLegacyStrangers(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	s.Fail(".sig$", serve(manifestType, `{"schemaVersion":2,"layers":[{"mediaType":"text/plain","digest":"`+layerDigest+`"}]}`))
	found, problems := collect(t.Context(), t, s.client(), s.resolved(t))
	equal(t, []outcome(nil), problems)
	equal(t, []string(nil), contents(found))
}

// TestSignaturesLazy: a consumer that has enough costs no more requests.
func TestSignaturesLazy(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	s.bundle(t, "1", nil)
	s.bundle(t, "2", nil)
	s.legacySignature(t, "3", nil)
	c := s.client()
	for taken, requests := range []int{0, 3, 5, 7} {
		s.Reset()
		left := taken
		for range c.Signatures(t.Context(), s.resolved(t), attachment.Search{}) {
			if left--; left <= 0 {
				break
			}
		}
		if taken > 0 {
			equal(t, requests, len(s.Requests()))
		}
	}
	s.Reset()
	_ = c.Signatures(t.Context(), s.resolved(t), attachment.Search{})
	equal(t, 0, len(s.Requests()))
}

// TestSignaturesInTime: when time is over, so is the search, with one problem.
func TestSignaturesInTime(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	for i := range 5 {
		s.bundle(t, fmt.Sprint(i), nil)
	}
	s.Fail("/blobs/", registrytest.Slow(time.Minute))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, problems := collect(ctx, t, s.client(), s.resolved(t))
	equal(t, 1, len(problems))
	equal(t, problem.KindTimeout, problems[0].Kind)
	equal(t, 3, len(s.Requests()))
}

// TestSignaturesOfNothing: what was not resolved has no signatures.
func TestSignaturesOfNothing(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	for name, resolved := range map[string]chart.Resolved{
		"nothing":     {},
		"no digest":   {Location: s.location(t)},
		"no location": {Digest: s.resolved(t).Digest},
	} {
		t.Run(name, func(t *testing.T) {
			found, problems := collect(t.Context(), t, s.client(), resolved)
			equal(t, 0, len(found))
			equal(t, 1, len(problems))
			equal(t, problem.KindInvalid, problems[0].Kind)
		})
	}
	equal(t, 0, len(s.Requests()))
}
