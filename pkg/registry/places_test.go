package registry_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/registry"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

// TestPlaces: each place is searched in turn, the chart's own repository only where it is
// one of them.
func TestPlaces(t *testing.T) {
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

// TestPlacesFail: one that fails is named, and the others are searched.
func TestPlacesFail(t *testing.T) {
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

// TestPlaceOfOthers is the attack in which the signature of another chart lies in a
// shared place: a bundle must refer to the chart.
func TestPlaceOfOthers(t *testing.T) {
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
	equal(t, []outcome{{Kind: problem.KindInvalid, Detail: s.text("the referrer " + digest + " of CHART@DIGEST in oci://HOST/signatures is not a readable bundle: it refers to something else")}}, problems)
}

// TestPredicates: what is wanted comes early and may be large.
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

// TestUnusedPlacesCostNothing: who has enough goes no further.
func TestUnusedPlacesCostNothing(t *testing.T) {
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
