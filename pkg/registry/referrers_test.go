package registry_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

// TestNewestFirst: of the scans of a year the newest is read first, by their dates or by their
// positions in the list.
func TestNewestFirst(t *testing.T) {
	t.Parallel()
	const scan = "https://cosign.sigstore.dev/attestation/vuln/v1"
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, annotations := range map[string]func(i int) map[string]string{
		"by their dates, where the list has another order": func(i int) map[string]string { return made(scan, start.AddDate(0, 0, -7*i)) },
		"by their positions in the list":                   func(int) map[string]string { return marked(scan) },
		"by their positions if the dates are not dates": func(int) map[string]string {
			return map[string]string{"dev.sigstore.bundle.predicateType": scan, "org.opencontainers.image.created": "yesterday"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, registrytest.Options{})
			for i := range 60 {
				s.bundle(t, fmt.Sprintf("scan %d", i), annotations(i))
			}
			found, problems := collectFor(t.Context(), t, s.client(), s.resolved(t), attachment.Search{Predicates: []string{scan}})
			equal(t, []outcome(nil), problems)
			var want []string
			for i := range 60 {
				want = append(want, fmt.Sprintf("bundle: scan %d", i))
			}
			if !strings.Contains(name, "another order") {
				slices.Reverse(want)
			}
			equal(t, want, contents(found))
		})
	}
}

// TestSimpleSigningAsReferrer: cosign 2 writes it with --registry-referrers-mode=oci-1-1. It is
// read whatever type the list shows.
func TestSimpleSigningAsReferrer(t *testing.T) {
	t.Parallel()
	for name, listedAs := range map[string]string{"listed by its config": sigArtifact, "listed without a type": "-", "listed as empty": "application/vnd.oci.empty.v1+json"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, registrytest.Options{})
			r := rack{s, t}
			layer := func(payload, signature string) string {
				return on(r.blob(legacyType, payload), `"annotations":{"dev.cosignproject.cosign/signature":"`+signature+`"}`)
			}
			put := func(subject string, layers ...string) string {
				raw := on(image(r.blob(sigArtifact, "{}"), layers...), `"subject":`+describe(manifestType, subject, 1))
				digest, err := s.PushManifest(repo, "", manifestType, []byte(raw))
				if err != nil {
					t.Fatal(err)
				}
				return digest
			}
			two := put(s.digest, layer("one", "1"), layer("two", "2"), r.blob("text/plain", "text"))
			elsewhere, none := put(layerDigest, layer("elsewhere", "3")), put(s.digest)
			s.Fail("/referrers/", serveIndex(listed(elsewhere, listedAs), listed(none, listedAs), listed(two, listedAs)))
			found, problems := collect(t.Context(), t, s.client(), s.resolved(t))
			equal(t, []outcome{{Kind: problem.KindInvalid, Detail: s.text("the referrer " + elsewhere + " of CHART@DIGEST is not a readable bundle: it does not refer to the chart")}}, problems)
			equal(t, []string{"legacy signature: one", "legacy signature: two"}, contents(found))
			equal(t, "2", found[1].Annotations["dev.cosignproject.cosign/signature"])
		})
	}
}

// TestEnvelopesAsReferrers: DSSE envelopes without a bundle, if attestations are wanted.
func TestEnvelopesAsReferrers(t *testing.T) {
	t.Parallel()
	const dsse = "application/vnd.dsse.envelope.v1+json"
	for _, types := range []struct{ artifact, layer string }{
		{"application/vnd.in-toto+json", dsse}, // cosign 2 attest --registry-referrers-mode=oci-1-1
		{dsse, dsse},
		{"application/vnd.in-toto.provenance+dsse", "application/vnd.in-toto.provenance+dsse"},
		{"-", dsse},
	} {
		t.Run(types.artifact, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, registrytest.Options{})
			r := rack{s, t}
			raw := on(image(r.blob("application/vnd.oci.empty.v1+json", "{}"), r.blob(types.layer, "envelope")), `"subject":`+describe(manifestType, s.digest, 1))
			digest, err := s.PushManifest(repo, "", manifestType, []byte(raw))
			if err != nil {
				t.Fatal(err)
			}
			s.Fail("/referrers/", serveIndex(listed(digest, types.artifact)))
			for want, predicates := range map[string][]string{"[legacy attestation: envelope]": {"https://slsa.dev/provenance/v1"}, "[]": nil} {
				found, problems := collectFor(t.Context(), t, s.client(), s.resolved(t), attachment.Search{Predicates: predicates})
				equal(t, []outcome(nil), problems)
				equal(t, want, fmt.Sprint(contents(found)))
			}
		})
	}
}

// TestFallbackTagIsAskedLast: whatever the referrers API answers, what is listed under the fallback
// tag is found: once, and only if nothing else was sufficient.
func TestFallbackTagIsAskedLast(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault    registrytest.Fault
		problems int
	}{
		"an empty list":           {serveIndex(), 0},
		"null for a list":         {serve(indexType, `{"schemaVersion":2,"manifests":null}`), 0},
		"a list of something":     {serveIndex(listed(layerDigest, "application/spdx+json")), 0},
		"500":                     {registrytest.Status(500), 1},
		"403":                     {registrytest.Status(403), 1},
		"an answer that is reset": {registrytest.Reset(), 1},
		"garbage":                 {serve(indexType, "{"), 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, registrytest.Options{NoReferrers: true})
			good := s.bundle(t, "signature", nil)
			s.legacySignature(t, "legacy", nil)
			s.Fail("/referrers/", tc.fault)
			found, problems := collect(t.Context(), t, s.client(), s.resolved(t))
			equal(t, tc.problems, len(problems))
			equal(t, []string{"legacy signature: legacy", "bundle: signature"}, contents(found))
			s.Fail("/referrers/", serveIndex(listed(good, bundleType)))
			found, problems = collect(t.Context(), t, s.client(), s.resolved(t))
			equal(t, []outcome(nil), problems)
			equal(t, []string{"bundle: signature", "legacy signature: legacy"}, contents(found))
		})
	}
}

// TestTagsThatAreRefused: if a registry lets chartgate read the chart, and refuses the tag of
// signatures, that tag does not exist.
func TestTagsThatAreRefused(t *testing.T) {
	t.Parallel()
	tags := "/manifests/sha256-"
	unauthorized := func(path, who string) outcome {
		return outcome{problem.KindUnauthorized, "HOST does not let chartgate read " + path + ": the registry answered " + who, strings.ReplaceAll(nextCredentials, "acme/charts/podinfo", path)}
	}
	for name, tc := range map[string]struct {
		options registrytest.Options
		fault   registrytest.Fault
		places  []chart.Location
		want    []outcome
	}{
		"403":                   {options: registrytest.Options{NoReferrers: true}, fault: registrytest.Status(403)},
		"401":                   {options: registrytest.Options{NoReferrers: true}, fault: registrytest.Status(401)},
		"401, wants a password": {options: registrytest.Options{NoReferrers: true}, fault: answer(401, `WWW-Authenticate: Basic realm="x"`)},
		"403, with the API":     {fault: registrytest.Status(403)},
		"500 is no answer":      {options: registrytest.Options{}, fault: registrytest.Status(500), want: []outcome{{Kind: problem.KindUnavailable, Detail: "the legacy signatures of CHART@DIGEST could not be read: unexpected answer (the registry answered 500 Internal Server Error)"}, {Kind: problem.KindUnavailable, Detail: "the list of referrers of CHART@DIGEST could not be read: unexpected answer (the registry answered 500 Internal Server Error)"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, tc.options)
			s.Fail(tags, tc.fault)
			found, problems := collectFor(t.Context(), t, s.client(), s.resolved(t), attachment.Search{Predicates: nil})
			equal(t, 0, len(found))
			for i := range tc.want {
				tc.want[i].Detail, tc.want[i].Next = s.text(tc.want[i].Detail), s.text(tc.want[i].Next)
			}
			equal(t, tc.want, problems)
		})
	}
	t.Run("in a repository of signatures nothing has been read, so it may be a matter of credentials", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t, registrytest.Options{})
		s.Fail("/v2/signatures/", registrytest.Status(403))
		_, problems := collectFor(t.Context(), t, s.client(), s.resolved(t), attachment.Search{Repositories: []chart.Location{parseLocation(t, "oci://"+s.Host()+"/signatures")}})
		for _, p := range problems {
			want := unauthorized("signatures", "403 Forbidden")
			equal(t, outcome{want.Kind, s.text(want.Detail), s.text(want.Next)}, p)
		}
		equal(t, 3, len(problems))
	})
}

// TestPredicates: attestations with a wanted predicate come early and may be large.
func TestPredicates(t *testing.T) {
	t.Parallel()
	const slsa, spdx = "https://slsa.dev/provenance/v1", "https://spdx.dev/Document"
	big := func(name string, bytes int) string { return name + strings.Repeat(" ", bytes-len(name)) }
	tooLarge := func(what string, kib int) outcome {
		return outcome{Kind: problem.KindLimitExceeded, Detail: fmt.Sprintf("the %s of CHART@DIGEST could not be read: it has more than the %d KiB that chartgate reads", what, kib)}
	}
	for _, noReferrers := range []bool{false, true} {
		t.Run(fmt.Sprint("the order of bundles, without API: ", noReferrers), func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, registrytest.Options{NoReferrers: noReferrers})
			s.bundle(t, "sbom", marked(spdx))
			s.bundle(t, "unmarked", map[string]string{})
			s.bundle(t, big("provenance", 2<<20), marked(slsa))
			s.bundle(t, "signature", marked("https://sigstore.dev/cosign/sign/v1"))
			found, problems := collectFor(t.Context(), t, s.client(), s.resolved(t), attachment.Search{Predicates: []string{slsa, "https://x.example"}})
			equal(t, []outcome(nil), problems)
			got := contents(found)
			for i := range got {
				got[i] = strings.TrimSpace(got[i])
			}
			if noReferrers { // the list has no marks
				equal(t, 4, len(got))
				return
			}
			equal(t, []string{"bundle: signature", "bundle: provenance", "bundle: unmarked", "bundle: sbom"}, got)
		})
		t.Run(fmt.Sprint("what is too large, without API: ", noReferrers), func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, registrytest.Options{NoReferrers: noReferrers})
			wanted := s.bundle(t, big("provenance", 8<<20+1), marked(slsa))
			unwanted := s.bundle(t, big("sbom", 1<<20+1), marked(spdx))
			_, problems := collectFor(t.Context(), t, s.client(), s.resolved(t), attachment.Search{Predicates: []string{slsa}})
			want := map[outcome]bool{}
			for _, o := range []outcome{tooLarge("referrer "+wanted, 8192), tooLarge("referrer "+unwanted, 1024)} {
				want[outcome{Kind: o.Kind, Detail: s.text(o.Detail)}] = true
			}
			got := map[outcome]bool{}
			for _, o := range problems {
				got[o] = true
			}
			equal(t, want, got)
		})
	}
	t.Run("legacy", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t, registrytest.Options{})
		attach := func(content string, annotations map[string]string) {
			if err := s.AttachLegacyAttestation(repo, s.digest, []byte(content), annotations); err != nil {
				t.Fatal(err)
			}
		}
		s.legacySignature(t, "signature", nil)
		attach("old", map[string]string{"predicateType": slsa})
		attach("sbom", map[string]string{"predicateType": spdx})
		attach("unmarked", nil)
		attach(big("new", 8<<20), map[string]string{"predicateType": slsa, "dev.sigstore.cosign/certificate": "x"})
		attach(big("too large", 8<<20+1), map[string]string{"predicateType": slsa})
		attach(big("too large for an SBOM", 1<<20+1), map[string]string{"predicateType": spdx})
		found, problems := collectFor(t.Context(), t, s.client(), s.resolved(t), attachment.Search{Predicates: []string{slsa}})
		attestation := func(content string, kib int) outcome {
			o := tooLarge(`legacy attestation "sha256:`+sha256Hex(content)+`"`, kib)
			return outcome{Kind: o.Kind, Detail: s.text(o.Detail)}
		}
		equal(t, []outcome{attestation(big("too large", 8<<20+1), 8192), attestation(big("too large for an SBOM", 1<<20+1), 1024)}, problems)
		got := contents(found)
		for i := range got {
			got[i] = strings.TrimSpace(got[i])
		}
		equal(t, []string{"legacy signature: signature", "legacy attestation: new", "legacy attestation: old", "legacy attestation: unmarked", "legacy attestation: sbom"}, got)
		equal(t, "x", found[1].Annotations["dev.sigstore.cosign/certificate"])
		equal(t, "sha256:"+sha256Hex("old"), found[2].Source.String())
		s.Reset()
		found, _ = collect(t.Context(), t, s.client(), s.resolved(t))
		equal(t, []string{"legacy signature: signature"}, contents(found))
		equal(t, 0, count(s.Requests(), `\.att$`))
	})
	t.Run("legacy attestations that are not asked for", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t, registrytest.Options{})
		ask := func() ([]attachment.Attachment, []outcome) {
			return collect(t.Context(), t, s.client(), s.resolved(t))
		}
		found, problems := ask()
		equal(t, 0, len(found)+len(problems))
		if err := s.AttachLegacyAttestation(repo, s.digest, []byte("provenance"), map[string]string{"predicateType": slsa}); err != nil {
			t.Fatal(err)
		}
		found, problems = ask()
		equal(t, []outcome(nil), problems)
		if len(found) != 1 || !found[0].Unread || found[0].Content != nil || found[0].Format != attachment.LegacyAttestation {
			t.Errorf("an attestation alone: %+v", found)
		}
		s.Fail(`\.att$`, registrytest.Status(500))
		found, problems = ask()
		equal(t, 0, len(found)+len(problems)) // it says nothing about signatures
	})
	t.Run("many legacy ones", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t, registrytest.Options{})
		for i := range 510 {
			if err := s.AttachLegacyAttestation(repo, s.digest, []byte(fmt.Sprint(i)), nil); err != nil {
				t.Fatal(err)
			}
		}
		found, problems := collectFor(t.Context(), t, s.client(), s.resolved(t), attachment.Search{Predicates: []string{slsa}})
		equal(t, 500, len(found))
		equal(t, []outcome{{problem.KindLimitExceeded, s.text("CHART@DIGEST has 510 legacy attestations, of which chartgate looked at 500 only"),
			"remove old legacy attestations from the registry, or sign again under a new version"}}, problems)
	})
	t.Run("none, and no way to look", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t, registrytest.Options{})
		s.Fail(`\.att$`, serve(manifestType, "{"))
		_, problems := collectFor(t.Context(), t, s.client(), s.resolved(t), attachment.Search{Predicates: []string{slsa}})
		equal(t, []outcome{{Kind: problem.KindInvalid, Detail: s.text("the legacy attestations of CHART@DIGEST is not a readable list of attestations: it is not valid JSON")}}, problems)
	})
}

// TestUnknownReferrersLast: a referrer that is listed without an artifact type may be anything.
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

// TestBundleSource: the source of a bundle is the digest of its manifest.
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

// TestReferrersAPIAppears: a host that gets the referrers API is noticed at once, because a search
// that finds nothing sufficient uses the API at the end. From then on the fallback tag is read
// last.
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
	requests := slices.DeleteFunc(s.Requests(), func(r string) bool { return strings.HasSuffix(r, ".sig") })
	equal(t, "GET /v2/"+repo+"/referrers/"+s.digest, requests[0])
	equal(t, "GET /v2/"+repo+"/manifests/sha256-"+strings.TrimPrefix(s.digest, "sha256:"), requests[len(requests)-1])
}

// TestLacksReferrersAPI: all ways in which registries say so lead to the fallback tag.
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

// TestFallbackDigest: the index under the fallback tag must have the digest that the registry
// shows.
func TestFallbackDigest(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{NoReferrers: true})
	s.bundle(t, "bundle", nil)
	s.Fail("/manifests/sha256-[0-9a-f]*$", with("Docker-Content-Digest: "+layerDigest))
	found, problems := collect(t.Context(), t, s.client(), s.resolved(t))
	equal(t, []string(nil), contents(found))
	equal(t, []outcome{{Kind: problem.KindDigestMismatch, Detail: s.text("the list of referrers of CHART@DIGEST could not be read: the content does not match its digest")}}, problems)
}

// TestJunkReferrers: a referrer that is not a bundle is skipped; one that is marked as a bundle and
// is not one is an error. Neither hides the signature.
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
		"a bundle of another chart":      {bundleType, `"layers":[` + layer(bundleType) + `],"subject":{"digest":"` + layerDigest + `"}`, unreadable("it does not refer to the chart")},
		"a bundle of nothing":            {bundleType, `"layers":[` + layer(bundleType) + `]`, unreadable("it does not refer to the chart")},
		"two bundles":                    {bundleType, `"layers":[` + layer(bundleType) + `,` + layer(bundleType) + `],` + subject, unreadable("it has 2 layers with a bundle, not one")},
		"a bundle with a sha512 digest":  {bundleType, strings.ReplaceAll(`"layers":[`+layer(bundleType)+`],`+subject, layerDigest, "sha512:x"), unreadable("its digest is not a sha256 digest")},
		"a bundle that is not there":     {bundleType, `"layers":[` + layer(bundleType) + `],` + subject, &outcome{Kind: problem.KindInvalid, Detail: "the referrer JUNK of CHART@DIGEST is listed but does not exist"}},
		"a bundle too large to ask for":  {bundleType, strings.ReplaceAll(`"layers":[`+layer(bundleType)+`],`+subject, `"size":1`, `"size":1048577`), &outcome{Kind: problem.KindLimitExceeded, Detail: "the referrer JUNK of CHART@DIGEST could not be read: it has more than the 1024 KiB that chartgate reads"}},
		"a manifest with layers twice":   {bundleType, `"layers":[],"layers":[]`, unreadable("its JSON is ambiguous: it has one name twice in one object")},
		"a similar media type":           {"application/vnd.dev.sigstore.bundles", `"layers":[]`, nil},
		"an older kind of bundle, empty": {"application/vnd.dev.sigstore.bundle+json;version=0.2", `"layers":[]`, unreadable("it does not refer to the chart")},
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
