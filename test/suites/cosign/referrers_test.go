package cosign_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"testing"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/evidence"
)

// TestReferrersMode: what cosign 2 signs into referrers instead of tags, and what its library
// attests into them (WriteAttestationsReferrer in pkg/oci/remote/write.go, of which its command
// line has no flag).
func TestReferrersMode(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const custom = "https://acme.example/review/v1"
	key, podinfo := d.take(t, "acme", private), d.push(t, "podinfo")
	d.sign(t, referrerWay(), key, podinfo)
	d.attest(t, legacyWay(), key, podinfo, custom, `{"approved": true}`)
	d.toReferrer(t, podinfo)
	for tag := range map[string]bool{".sig": true, ".att": true, "": true} {
		if raw, err := d.registry.Manifest("acme/charts/podinfo", "sha256-"+podinfo.Digest.Hex()+tag); err == nil {
			t.Errorf("cosign wrote the tag %q: %s", tag, raw)
		}
	}
	found := map[attachment.Format]evidence.Evidence{}
	for _, e := range d.evidence(t, podinfo, key, custom) {
		found[e.Format] = e
	}
	if e := found[attachment.Legacy]; len(found) != 2 || !e.Signs(podinfo.Digest) {
		t.Errorf("signed: %+v", found)
	}
	if e := found[attachment.LegacyAttestation]; !e.Attests(podinfo.Digest, custom) || e.Signs(podinfo.Digest) {
		t.Errorf("attested: %+v", found)
	}
	another := d.push(t, "another")
	if e := d.evidence(t, another, key, custom); len(e) != 0 {
		t.Errorf("the chart beside it has %+v", e)
	}
}

// toReferrer moves what is under the .att tag into a referrer of the form that cosign's library
// gives it.
func (d *desk) toReferrer(t *testing.T, what artifact.Resolved) {
	t.Helper()
	repository, tag := what.Location.Path(), "sha256-"+what.Digest.Hex()+".att"
	raw, err := d.registry.Manifest(repository, tag)
	if err != nil {
		t.Fatal(err)
	}
	type descriptor struct {
		MediaType string `json:"mediaType"`
		Digest    string `json:"digest"`
		Size      int64  `json:"size"`
	}
	var m struct{ Layers []descriptor }
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	config, err := d.registry.PushBlob(repository, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err = json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "artifactType": "application/vnd.in-toto+json",
		"config":  descriptor{"application/vnd.oci.empty.v1+json", config, 2},
		"layers":  m.Layers,
		"subject": descriptor{"application/vnd.oci.image.manifest.v1+json", what.Digest.String(), 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.registry.PushManifest(repository, "", "application/vnd.oci.image.manifest.v1+json", raw); err != nil {
		t.Fatal(err)
	}
	if err := d.registry.Delete(repository, tag); err != nil {
		t.Fatal(err)
	}
}
