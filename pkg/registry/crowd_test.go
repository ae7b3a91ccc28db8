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

const sigArtifact = "application/vnd.dev.cosign.artifact.sig.v1+json"

// made marks a bundle as cosign 3 does.
func made(predicate string, at time.Time) map[string]string {
	m := marked(predicate)
	m["org.opencontainers.image.created"] = at.Format(time.RFC3339)
	return m
}

// TestNewestFirst: of the scans of a year the last one is looked at first, by what they say of themselves or by their place in
// the list.
func TestNewestFirst(t *testing.T) {
	t.Parallel()
	const scan = "https://cosign.sigstore.dev/attestation/vuln/v1"
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, annotations := range map[string]func(i int) map[string]string{
		"by their dates, where the list has another order": func(i int) map[string]string { return made(scan, start.AddDate(0, 0, -7*i)) },
		"by their place in the list":                       func(int) map[string]string { return marked(scan) },
		"by their place where the dates are no dates": func(int) map[string]string {
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

// TestCrowds: a stranger's hundreds of one kind do not keep chartgate from looking at what is of another kind or elsewhere, and
// the first ones cost no more than one after the other.
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

// TestCrowdOfOneKind: up to 500 of one kind are looked at, the oldest too, in requests that do not wait for each other.
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

// TestCrowdedManifest: strangers cannot make the list of legacy signatures too long to read, as far as registries take it.
func TestCrowdedManifest(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	s.legacySignature(t, "good", nil)
	for i := range 30 {
		s.legacySignature(t, fmt.Sprintf("stranger %d", i), map[string]string{"dev.sigstore.cosign/chain": strings.Repeat("x", 100<<10)})
	}
	found, problems := collect(t.Context(), t, s.client(), s.resolved(t))
	equal(t, []outcome(nil), problems)
	equal(t, 31, len(found))
	for i := range 12 {
		s.legacySignature(t, fmt.Sprintf("more %d", i), map[string]string{"dev.sigstore.cosign/chain": strings.Repeat("x", 100<<10)})
	}
	_, problems = collect(t.Context(), t, s.client(), s.resolved(t))
	equal(t, []outcome{{Kind: problem.KindLimitExceeded, Detail: s.text("the legacy signatures of CHART@DIGEST could not be read: it has more than the 4096 KiB that chartgate reads")}}, problems)
}

// TestNothingIsFetchedInVain: who is content with the first or second piece has not made the registry serve more.
func TestNothingIsFetchedInVain(t *testing.T) {
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

// TestTooManyBytes: hundreds of large attestations end in a limit, and what is elsewhere is still found.
func TestTooManyBytes(t *testing.T) {
	t.Parallel()
	const slsa = "https://slsa.dev/provenance/v1"
	s := newShelf(t, registrytest.Options{})
	for i := range 12 {
		s.bundle(t, fmt.Sprint(i)+strings.Repeat(" ", 7<<20), marked(slsa))
	}
	s.legacySignature(t, "good", nil)
	found, problems := collectFor(t.Context(), t, s.client(), s.resolved(t), attachment.Search{Predicates: []string{slsa}})
	equal(t, []outcome{{problem.KindLimitExceeded, s.text("the signature material of CHART@DIGEST has more than the 64 MiB that chartgate reads"),
		"remove old attestations from the registry, or sign again under a new version"}}, problems)
	equal(t, 10+1, len(found))
	equal(t, "good", string(found[8].Content))
}

// TestSimpleSigningAsReferrer: what cosign 2 writes with --registry-referrers-mode=oci-1-1, whatever the list says of its type.
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
			equal(t, []outcome{{Kind: problem.KindInvalid, Detail: s.text("the referrer " + elsewhere + " of CHART@DIGEST is not a readable bundle: it refers to something else")}}, problems)
			equal(t, []string{"legacy signature: one", "legacy signature: two"}, contents(found))
			equal(t, "2", found[1].Annotations["dev.cosignproject.cosign/signature"])
		})
	}
}

// TestEnvelopesAsReferrers: DSSE envelopes without a bundle, for who wants attestations.
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

// TestFallbackTagIsAskedLast: whatever the referrers API answers, what is listed under the fallback tag is found; once, and
// only if nothing else did.
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

// TestTagsThatAreRefused: a registry that let chartgate read the chart, and refuses the tag of a signature, has none.
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
