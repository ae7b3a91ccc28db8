package registries_test

import (
	"strings"
	"testing"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

const predicate = "https://acme.example/reviewed"

// TestPlaces: what the real cosigns write with COSIGN_REPOSITORY is found there, and nowhere else;
// in a registry without the referrers API and in one with it.
func TestPlaces(t *testing.T) {
	t.Parallel()
	distribution := newSite(t, setup{})
	inProcess := registrytest.New(registrytest.Options{})
	t.Cleanup(inProcess.Close)
	for name, w := range map[string]*site{
		"distribution, without referrers API": distribution,
		"a registry with the referrers API":   {host: inProcess.Host(), dir: t.TempDir(), plain: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			digest, _ := w.push(t)
			w.write(t, "predicate.json", []byte(`{"by": "alice"}`))
			for _, tc := range []struct {
				place, version, act string
				args                []string
				want                string
				own                 bool // COSIGN_REPOSITORY is not heeded
			}{
				{place: "sign2", version: "cosign2", act: "sign", want: "legacy signature"},
				{place: "sign3", version: "cosign3", act: "sign", want: "bundle"},
				{place: "sign3legacy", version: "cosign3", act: "sign", args: []string{"--new-bundle-format=false"}, want: "legacy signature"},
				{place: "attest2", version: "cosign2", act: "attest", args: []string{"--predicate=predicate.json", "--type=" + predicate}, want: "legacy attestation"},
				{place: "attest3", version: "cosign3", act: "attest", args: []string{"--predicate=predicate.json", "--type=" + predicate}, want: "bundle"},
				{place: "sign2bundle", version: "cosign2", act: "sign", args: []string{"--new-bundle-format"}, want: "bundle", own: true},
			} {
				w.cosign(t, []string{"COSIGN_REPOSITORY=" + w.host + "/signatures/" + tc.place}, tc.version, tc.act, digest, tc.args...)
				c := w.client(registry.Connection{})
				resolved, err := c.Resolve(t.Context(), w.reference(t), sourceauth.Auth{})
				if err != nil {
					t.Fatal(err)
				}
				search := attachment.Search{Repositories: []chart.Location{w.place(t, "signatures/"+tc.place)}, Predicates: []string{predicate}}
				there, _ := formats(t, c, resolved, search)
				search.Repositories = nil
				here, _ := formats(t, c, resolved, search)
				if tc.own {
					there, here = here, there
				}
				equal(t, []string{tc.want}, there)
				equal(t, []string(nil), here)
			}
		})
	}
}

// TestSharedPlace: one repository holds the signatures of several charts, and each finds its own.
func TestSharedPlace(t *testing.T) {
	t.Parallel()
	w := newSite(t, setup{})
	digest, _ := w.push(t)
	environment := []string{"COSIGN_REPOSITORY=" + w.host + "/signatures"}
	w.cosign(t, environment, "cosign3", "sign", digest)
	w.cosign(t, environment, "cosign2", "sign", digest)
	c := w.client(registry.Connection{})
	search := attachment.Search{Repositories: []chart.Location{w.place(t, "signatures")}}
	mine, err := c.Resolve(t.Context(), w.reference(t), sourceauth.Auth{})
	if err != nil {
		t.Fatal(err)
	}
	found, _ := formats(t, c, mine, search)
	equal(t, []string{"bundle", "legacy signature"}, found)
	other := mine
	if other.Digest, err = chart.ParseDigest("sha256:" + strings.Repeat("a", 64)); err != nil {
		t.Fatal(err)
	}
	found, _ = formats(t, c, other, search)
	equal(t, []string(nil), found)
}

// TestLegacyAttestation: what cosign 2 attests comes with the annotations and certificates that it
// writes, after the signatures, and only if a policy needs it.
func TestLegacyAttestation(t *testing.T) {
	t.Parallel()
	w := newSite(t, setup{})
	digest, _ := w.push(t)
	w.write(t, "predicate.json", []byte(`{"by": "alice"}`))
	w.cosign(t, nil, "cosign2", "attest", digest, "--predicate=predicate.json", "--type="+predicate)
	w.cosign(t, nil, "cosign2", "attest", digest, "--predicate=predicate.json", "--type=https://acme.example/other")
	w.cosign(t, nil, "cosign2", "sign", digest)
	c := w.client(registry.Connection{})
	resolved, err := c.Resolve(t.Context(), w.reference(t), sourceauth.Auth{})
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for material, err := range c.Signatures(t.Context(), resolved, attachment.Search{Predicates: []string{predicate}}) {
		if err != nil {
			t.Error(err)
			continue
		}
		types = append(types, material.Format.String()+" "+material.Annotations["predicateType"])
		if material.Format == attachment.LegacyAttestation && !strings.Contains(string(material.Content), `"payloadType":"application/vnd.in-toto+json"`) {
			t.Errorf("%s is no envelope", material.Content)
		}
	}
	equal(t, []string{"legacy signature ", "legacy attestation " + predicate, "legacy attestation https://acme.example/other"}, types)
	before := strings.Count(w.server.Log(), ".att")
	found, _ := formats(t, c, resolved, attachment.Search{})
	equal(t, []string{"legacy signature"}, found)
	equal(t, before, strings.Count(w.server.Log(), ".att"))
}
