package cosign_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/attachment"
)

// TestAttestations: the predicates that cosign knows, as cosign 2 and 3 write them. cosign decodes
// some of them to its own types and writes those: conditions see that, not the file.
func TestAttestations(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key := d.take(t, "acme", private)
	for i, tc := range []struct {
		kind, predicate string // as cosign attest --type takes it
		predicateType   string
		path            []string // to something in it
		want            any
	}{
		{
			kind: "slsaprovenance1", predicateType: "https://slsa.dev/provenance/v1",
			predicate: `{"buildDefinition": {"buildType": "https://acme.example/helm/v1", "externalParameters": {"repository": "https://github.com/acme/charts"}},
				"runDetails": {"builder": {"id": "https://acme.example/builder"}}}`,
			path: []string{"runDetails", "builder", "id"}, want: "https://acme.example/builder",
		}, {
			kind: "slsaprovenance02", predicateType: "https://slsa.dev/provenance/v0.2",
			predicate: `{"builder": {"id": "https://acme.example/builder"}, "buildType": "helm", "invocation": {"configSource": {"uri": "git+https://github.com/acme/charts"}}}`,
			path:      []string{"invocation", "configSource", "uri"}, want: "git+https://github.com/acme/charts",
		}, {
			kind: "spdxjson", predicateType: "https://spdx.dev/Document",
			predicate: `{"spdxVersion": "SPDX-2.3", "name": "podinfo", "packages": [{"name": "podinfo", "versionInfo": "1.0.0"}]}`,
			path:      []string{"packages", "0", "versionInfo"}, want: "1.0.0",
		}, {
			kind: "cyclonedx", predicateType: "https://cyclonedx.org/bom",
			predicate: `{"bomFormat": "CycloneDX", "specVersion": "1.5", "metadata": {"component": {"name": "podinfo", "version": "1.0.0"}}}`,
			path:      []string{"metadata", "component", "name"}, want: "podinfo",
		}, {
			kind: "vuln", predicateType: "https://cosign.sigstore.dev/attestation/vuln/v1",
			predicate: `{"invocation": {"uri": "https://ci.acme.example/1"}, "scanner": {"uri": "pkg:trivy", "version": "0.60", "db": {"uri": "", "version": ""}, "result": {"findings": []}},
				"metadata": {"scanStartedOn": "2026-11-20T10:00:00Z", "scanFinishedOn": "2026-11-20T10:01:00Z"}}`,
			path: []string{"metadata", "scanFinishedOn"}, want: "2026-11-20T10:01:00Z",
		}, {
			kind: "openvex", predicateType: "https://openvex.dev/ns",
			predicate: `{"@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://acme.example/vex/1", "author": "acme", "timestamp": "2026-11-20T10:00:00Z", "version": 1, "statements": []}`,
			path:      []string{"author"}, want: "acme",
		}, {
			kind: "custom", predicateType: "https://cosign.sigstore.dev/attestation/v1",
			predicate: `{"approved": true}`, path: []string{"Data"}, want: `{"approved": true}`,
		}, {
			kind: "https://acme.example/review/v1", predicateType: "https://acme.example/review/v1",
			predicate: `{"approved": true, "by": ["alice", "bob"]}`, path: []string{"by", "1"}, want: "bob",
		},
	} {
		t.Run(tc.kind, func(t *testing.T) {
			t.Parallel()
			podinfo := d.push(t, fmt.Sprintf("podinfo-%d", i))
			d.attest(t, legacyWay(), key, podinfo, tc.kind, tc.predicate)
			d.attest(t, bundleWay(), key, podinfo, tc.kind, tc.predicate)
			found := map[attachment.Format]any{}
			for _, e := range d.evidence(t, podinfo, key, tc.predicateType) {
				if e.Signs(podinfo.Digest) || !e.Attests(podinfo.Digest, tc.predicateType) {
					t.Errorf("%s %s, signs %v", e.Format, e.Predicate, e.Signs(podinfo.Digest))
				}
				found[e.Format] = dig(t, e.Content, tc.path...)
			}
			if diff := cmp.Diff(map[attachment.Format]any{attachment.Bundle: tc.want, attachment.LegacyAttestation: tc.want}, found); diff != "" {
				t.Errorf("found (-want +got):\n%s", diff)
			}
		})
	}
}

// dig follows names, and indexes of one digit, into JSON.
func dig(t *testing.T, raw []byte, path ...string) any {
	t.Helper()
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	for _, step := range path {
		switch v := value.(type) {
		case map[string]any:
			value = v[step]
		case []any:
			value = v[step[0]-'0']
		default:
			t.Fatalf("no %s in %s", step, raw)
		}
	}
	return value
}

// TestLargeSBOM: an SBOM of 4 MB, as large images have them, comes through whole.
func TestLargeSBOM(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, podinfo := d.take(t, "acme", private), d.push(t, "podinfo")
	const components = 8500
	var list []string
	for i := range components {
		list = append(list, fmt.Sprintf(`{"type":"library","name":"github.com/acme/module-%[1]d","version":"v1.2.3","purl":"pkg:golang/github.com/acme/module-%[1]d@v1.2.3",`+
			`"licenses":[{"license":{"id":"Apache-2.0"}}],"hashes":[{"alg":"SHA-256","content":"%064[1]x"}],`+
			`"properties":[{"name":"syft:package:type","value":"go-module"},{"name":"syft:location:0:path","value":"/usr/local/bin/podinfo"},{"name":"syft:package:foundBy","value":"go-module-binary-cataloger"}]}`, i))
	}
	sbom := `{"bomFormat":"CycloneDX","specVersion":"1.5","components":[` + strings.Join(list, ",") + `]}`
	if len(sbom) < 4_000_000 {
		t.Fatalf("an SBOM of %d bytes", len(sbom))
	}
	const kind = "https://cyclonedx.org/bom"
	d.attest(t, legacyWay(), key, podinfo, "cyclonedx", sbom)
	d.attest(t, bundleWay(), key, podinfo, "cyclonedx", sbom)
	found := map[attachment.Format]int{}
	for _, e := range d.evidence(t, podinfo, key, kind) {
		var document struct{ Components []json.RawMessage }
		if err := json.Unmarshal(e.Content, &document); err != nil {
			t.Fatal(err)
		}
		found[e.Format] = len(document.Components)
	}
	if diff := cmp.Diff(map[attachment.Format]int{attachment.Bundle: components, attachment.LegacyAttestation: components}, found); diff != "" {
		t.Errorf("components (-want +got):\n%s", diff)
	}
}
