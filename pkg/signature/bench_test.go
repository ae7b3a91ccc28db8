package signature_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// sbom is a CycloneDX document of so many components, with some 350 bytes and 30 values each, as syft writes them.
func sbom(components int) json.RawMessage {
	var list []string
	for i := range components {
		list = append(list, fmt.Sprintf(`{"bom-ref":"pkg:golang/github.com/acme/module-%[1]d@v1.2.3","type":"library","name":"github.com/acme/module-%[1]d",`+
			`"version":"v1.2.3","purl":"pkg:golang/github.com/acme/module-%[1]d@v1.2.3","licenses":[{"license":{"id":"Apache-2.0"}}],`+
			`"hashes":[{"alg":"SHA-256","content":"%064[1]x"}],"properties":[{"name":"syft:package:type","value":"go-module"},{"name":"syft:location","value":"/bin/%[1]d"}]}`, i))
	}
	return json.RawMessage(`{"bomFormat":"CycloneDX","specVersion":"1.5","components":[` + strings.Join(list, ",") + `]}`)
}

// BenchmarkSBOM verifies an SBOM of 4 MB.
func BenchmarkSBOM(b *testing.B) {
	w := newWorld(b)
	document := sbom(8500)
	for _, m := range w.attestations(b, w.workflow, "https://cyclonedx.org/bom", document) {
		b.Run(m.Format.String(), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(document)))
			for b.Loop() {
				wanted := wanting(keyless(), "https://cyclonedx.org/bom")
				if got, err := w.verifier.Verify(context.Background(), w.chart, m, wanted); err != nil || len(got[0].Content) != len(document) {
					b.Fatal(err)
				}
			}
		})
	}
}
