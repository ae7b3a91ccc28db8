package registry_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

const sigArtifact = "application/vnd.dev.cosign.artifact.sig.v1+json"

// TestCrowds: hundreds of attachments of one kind do not hide one of another kind.
func TestCrowds(t *testing.T) {
	t.Parallel()
	const slsa, other = "https://slsa.dev/provenance/v1", "https://evil.example/x"
	future := time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, crowd := range []struct {
		name  string
		marks map[string]string
	}{
		{"marked as signatures of the future", made("https://sigstore.dev/cosign/sign/v1", future)},
		{"marked as the wanted attestation", made(slsa, future)},
		{"marked as something else", made(other, future)},
		{"without marks", map[string]string{}},
	} {
		for _, good := range []struct {
			name   string
			attach func(*testing.T, shelf)
		}{
			{"a signature with its mark", func(t *testing.T, s shelf) { s.bundle(t, "good", marked("https://sigstore.dev/cosign/sign/v1")) }},
			{"the wanted attestation", func(t *testing.T, s shelf) { s.bundle(t, "good", marked(slsa)) }},
			{"a bundle without a mark", func(t *testing.T, s shelf) { s.bundle(t, "good", map[string]string{}) }},
			{"a legacy signature", func(t *testing.T, s shelf) { s.legacySignature(t, "good", nil) }},
			{"a legacy attestation", func(t *testing.T, s shelf) {
				if err := s.AttachLegacyAttestation(repo, s.digest, []byte("good"), nil); err != nil {
					t.Fatal(err)
				}
			}},
		} {
			t.Run(good.name+" in a crowd "+crowd.name, func(t *testing.T) {
				t.Parallel()
				s := newShelf(t, registrytest.Options{})
				good.attach(t, s) // the oldest of all
				for i := range 490 {
					s.bundle(t, fmt.Sprintf("stranger %d", i), crowd.marks)
				}
				looked := 0
				for m, err := range s.client().Signatures(t.Context(), s.resolved(t), attachment.Search{Predicates: []string{slsa}}) {
					if err != nil {
						t.Fatal(outcomeOf(t, err))
					}
					if looked++; string(m.Content) == "good" {
						break
					}
				}
				sameKind := strings.HasPrefix(good.name, "a signature") && strings.Contains(crowd.name, "signatures") ||
					strings.HasPrefix(good.name, "the wanted") && strings.Contains(crowd.name, "wanted") ||
					strings.HasPrefix(good.name, "a bundle") && strings.Contains(crowd.name, "without")
				if !sameKind && looked > 30 {
					t.Errorf("it came after %d others", looked)
				}
			})
		}
	}
}

// TestCrowdOfOneKind: up to 500 of one kind are read, also the oldest, several at the same time.
func TestCrowdOfOneKind(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	s.bundle(t, "good", nil)
	for i := range 499 {
		s.bundle(t, fmt.Sprintf("stranger %d", i), nil)
	}
	s.Fail("/manifests/sha256:|/blobs/", registrytest.Slow(20*time.Millisecond))
	found, problems := collect(t.Context(), t, s.client(), s.resolved(t))
	equal(t, []outcome(nil), problems)
	equal(t, 500, len(found))
	equal(t, "good", string(found[499].Content))
	equal(t, 1+2*500+2, len(s.Requests()))
}

// TestNothingIsReadInVain: if the first or second attachment is sufficient, no more are requested.
func TestNothingIsReadInVain(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	for i := range 20 {
		s.bundle(t, fmt.Sprint(i), nil)
		s.legacySignature(t, fmt.Sprint("legacy ", i), nil)
	}
	for take, want := range map[int]int{1: 1 + 2, 2: 1 + 4, 3: 1 + 8, 4: 1 + 8} {
		s.Reset()
		taken := 0
		for range s.client().Signatures(t.Context(), s.resolved(t), attachment.Search{}) {
			if taken++; taken == take {
				break
			}
		}
		equal(t, want, len(s.Requests()))
	}
}

// TestTooManyBytes: there is a limit for the bytes of one list; what is in other lists is still
// found.
func TestTooManyBytes(t *testing.T) {
	t.Parallel()
	const slsa = "https://slsa.dev/provenance/v1"
	s := newShelf(t, registrytest.Options{})
	for i := range 12 {
		s.bundle(t, fmt.Sprint(i)+strings.Repeat(" ", 7<<20), marked(slsa))
	}
	s.legacySignature(t, "good", nil)
	found, problems := collectFor(t.Context(), t, s.client(), s.resolved(t), attachment.Search{Predicates: []string{slsa}})
	equal(t, []outcome{{problem.KindLimitExceeded, s.text("the attachments of CHART@DIGEST have more than the 64 MiB that chartgate reads"),
		"remove old attestations from the registry, or sign again under a new version"}}, problems)
	equal(t, 10+1, len(found))
	equal(t, "good", string(found[8].Content))
}

// TestRepositories: the repositories are searched in order, the chart's own only if it is one of
// them.
func TestRepositories(t *testing.T) {
	t.Parallel()
	const slsa = "https://slsa.dev/provenance/v1"
	for _, noReferrers := range []bool{false, true} {
		s := newShelf(t, registrytest.Options{NoReferrers: noReferrers})
		s.legacySignature(t, "own", nil)
		for _, place := range []string{"first", "second"} {
			if _, err := s.AttachBundleIn("signatures/"+place, repo, s.digest, []byte(place), marked("https://sigstore.dev/cosign/sign/v1")); err != nil {
				t.Fatal(err)
			}
			if err := s.AttachLegacy("signatures/"+place, s.digest, []byte(place), nil); err != nil {
				t.Fatal(err)
			}
			if err := s.AttachLegacyAttestation("signatures/"+place, s.digest, []byte(place), nil); err != nil {
				t.Fatal(err)
			}
		}
		place := func(name string) chart.Location { return parseLocation(t, "oci://"+s.Host()+"/signatures/"+name) }
		first, second := []string{"bundle: first", "legacy signature: first"}, []string{"bundle: second", "legacy signature: second"}
		for _, c := range []struct {
			sentence   string
			places     []chart.Location
			predicates []string
			want       []string
		}{
			{"none is its own", nil, nil, []string{"legacy signature: own"}},
			{"its own, by the zero value", []chart.Location{{}}, nil, []string{"legacy signature: own"}},
			{"its own, by name", []chart.Location{s.location(t)}, nil, []string{"legacy signature: own"}},
			{"another", []chart.Location{place("first")}, nil, first},
			{"two others", []chart.Location{place("first"), place("second")}, nil, append(first[:2:2], second...)},
			{"another and its own", []chart.Location{place("second"), {}}, nil, append(second[:2:2], "legacy signature: own")},
			{"with attestations", []chart.Location{place("first")}, []string{slsa}, append(first[:2:2], "legacy attestation: first")},
			{"one with nothing in it", []chart.Location{place("nowhere")}, nil, nil},
		} {
			t.Run(fmt.Sprint(c.sentence, noReferrers), func(t *testing.T) {
				found, problems := collectFor(t.Context(), t, s.client(), s.resolved(t), attachment.Search{Repositories: c.places, Predicates: c.predicates})
				equal(t, []outcome(nil), problems)
				equal(t, c.want, contents(found))
			})
		}
	}
}

// TestRepositoriesFail: an error names the repository, and the others are searched.
func TestRepositoriesFail(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	s.legacySignature(t, "own", nil)
	s.Fail("/v2/signatures/", registrytest.Status(500))
	bad := parseLocation(t, "oci://"+s.Host()+"/signatures")
	host, classic := parseLocation(t, "oci://"+s.Host()), parseLocation(t, "https://charts.example/x")
	found, problems := collectFor(t.Context(), t, s.client(), s.resolved(t), attachment.Search{Repositories: []chart.Location{bad, host, classic, {}}})
	unavailable := func(what string) outcome {
		return outcome{Kind: problem.KindUnavailable, Detail: s.text("the " + what + " of CHART@DIGEST in oci://HOST/signatures could not be read: unexpected answer (the registry answered 500 Internal Server Error)")}
	}
	equal(t, []outcome{
		unavailable("list of referrers"), unavailable("legacy signatures"), unavailable("list of referrers"),
		{Kind: problem.KindInvalid, Detail: s.text("oci://HOST names a registry but no chart in it")},
		{Kind: problem.KindNotOCI, Detail: "https://charts.example/x is not in an OCI registry, so it cannot carry signatures"},
	}, problems)
	equal(t, []string{"legacy signature: own"}, contents(found))
}

// TestRepositoryOfOthers is the attack in which the signature of another chart is in a shared
// repository: a bundle must refer to the chart.
func TestRepositoryOfOthers(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	other, _ := s.push(t, "2.0.0")
	digest, err := s.AttachBundleIn("signatures", repo, other, []byte("of another"), nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Fail("/v2/signatures/referrers/", serveIndex(listed(digest, bundleType)))
	found, problems := collectFor(t.Context(), t, s.client(), s.resolved(t), attachment.Search{Repositories: []chart.Location{parseLocation(t, "oci://"+s.Host()+"/signatures")}})
	equal(t, 0, len(found))
	equal(t, []outcome{{Kind: problem.KindInvalid, Detail: s.text("the referrer " + digest + " of CHART@DIGEST in oci://HOST/signatures is not a readable bundle: it does not refer to the chart")}}, problems)
}

// TestUnusedRepositoriesCostNothing: once enough is found, no other repository is searched.
func TestUnusedRepositoriesCostNothing(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	s.bundle(t, "signature", nil)
	place := parseLocation(t, "oci://unreachable.example/signatures")
	options := s.options(t, "", "")
	options.Connect = always(registry.Connection{})
	for range registry.New(options).Signatures(t.Context(), s.resolved(t), attachment.Search{Access: someone, Repositories: []chart.Location{{}, place}, Predicates: []string{"x"}}) {
		break
	}
	equal(t, 3, len(s.Requests()))
}

const (
	bundleType = "application/vnd.dev.sigstore.bundle.v0.3+json"
	legacyType = "application/vnd.dev.cosign.simplesigning.v1+json"
)

// TestSignaturesInOrder: the marks decide about the order; legacy signatures are last, the newest
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

// TestRequestBudget: what one admission by tag costs a registry. The first chart with a bundle in a
// folder costs one request more than the next ones: the request for the tag of legacy signatures is
// sent at the same time as that for the referrers, and not needed.
func TestRequestBudget(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		options     registrytest.Options
		bundle      bool
		cold, known int // requests of a new client, and of one that has admitted a chart of the folder
	}{
		"a bundle":                            {bundle: true, cold: 5, known: 4},
		"a bundle, no referrers API":          {options: registrytest.Options{NoReferrers: true}, bundle: true, cold: 6, known: 4},
		"legacy":                              {cold: 4, known: 4},
		"legacy, no referrers API":            {options: registrytest.Options{NoReferrers: true}, cold: 5, known: 4},
		"a bundle, with a token":              {options: registrytest.Options{Auth: registrytest.Bearer}, bundle: true, cold: 7, known: 4},
		"a bundle, with a password":           {options: registrytest.Options{Auth: registrytest.Basic, Username: "u", Password: "p"}, bundle: true, cold: 6, known: 4},
		"legacy, with a token, no referrers":  {options: registrytest.Options{Auth: registrytest.Bearer, NoReferrers: true}, cold: 7, known: 4},
		"a bundle, over TLS, no referrers":    {options: registrytest.Options{TLS: true, NoReferrers: true}, bundle: true, cold: 6, known: 4},
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

// TestSignaturesDespiteFaults: each fault is one error, and the search continues.
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
		"the bundle is missing":   {"/blobs/sha256:" + sha256Hex("bundle"), registrytest.Status(404), outcome{Kind: problem.KindInvalid, Detail: "the referrer BUNDLE of CHART@DIGEST is listed but does not exist"}, []string{"legacy signature: legacy"}},
		"the manifest is missing": {"/manifests/BUNDLE", registrytest.Status(404), outcome{Kind: problem.KindInvalid, Detail: "the referrer BUNDLE of CHART@DIGEST is listed but does not exist"}, []string{"legacy signature: legacy"}},
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

// TestTooMany: any number of other attachments costs a limited number of requests, is named in an
// error, and does not hide a marked signature.
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
		equal(t, outcome{problem.KindLimitExceeded, s.text("CHART@DIGEST has 1000 referrers, of which chartgate looked at 500 only"),
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

// TestSignaturesLazy: no requests are sent after the consumer has stopped.
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

// TestSignaturesInTime: when the time is over, the search ends with one error.
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

// TestSignaturesOfNothing: without a location and a digest there are no signatures.
func TestSignaturesOfNothing(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	for name, resolved := range map[string]artifact.Resolved{
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
