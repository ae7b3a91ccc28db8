package signature

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

const (
	// maxBundle limits a bundle's JSON, and a legacy attestation's envelope. Signatures take 10
	// KiB; the largest honest attestations, SBOMs, a few MiB. Parsing takes several times the size
	// in memory. Bundles are not compressed, so never decompress one (509 KiB became 1.2 GiB).
	maxBundle = 8 << 20
	// maxPayload limits a legacy payload: cosign's take 300 bytes, more only with annotations of
	// the signer's own.
	maxPayload = 64 << 10
	// maxAnnotation limits each annotation of a legacy signature. The largest, a log entry with a
	// certificate in base64 in base64, takes 8 KiB.
	maxAnnotation = 64 << 10
	// maxProofs limits the log entries and, separately, the timestamps of a bundle. Signers use one
	// or two; each costs a signature check. sigstore-go stops at 32, but only after it has parsed
	// all of them.
	maxProofs = 8
	// maxEntry limits the body of each log entry in a bundle. Honest ones take 3 KiB.
	maxEntry = 64 << 10
	// maxValues limits the JSON values in a bundle or an envelope, beside the statement in it.
	// Honest ones have some hundred. Each of a bundle's becomes an object of some 1.5 KiB, however
	// short it is: 2 MB of "{}," took 1 GiB.
	maxValues = 10_000
	// maxStatement limits the JSON values in a statement. An SBOM of 4 MB has 180,000, so the
	// largest that fits into maxBundle fits in here. Its predicate, once decoded, takes 50 MiB at
	// the worst (150,000 objects of one name).
	maxStatement = 300_000
)

// values returns an upper limit for the number of values in JSON, without parsing it.
func values(raw []byte) int {
	n := 1
	for _, opener := range []string{"{", "[", ","} {
		n += bytes.Count(raw, []byte(opener))
	}
	return n
}

// entryKind is the kind and version of a record in Rekor.
type entryKind struct {
	Kind    string `json:"kind"`
	Version string `json:"apiVersion"`
}

// bundleEntries are the records of signatures in bundles: Rekor v1's, and from 0.0.2 on (but
// intoto's) Rekor v2's.
func bundleEntries() []entryKind {
	return []entryKind{
		{"hashedrekord", "0.0.1"}, {"dsse", "0.0.1"}, {"intoto", "0.0.2"},
		{"hashedrekord", "0.0.2"}, {"dsse", "0.0.2"},
	}
}

// legacyEntries are the records of legacy signatures. cosign writes this one since 1.2 (2021).
func legacyEntries() []entryKind { return []entryKind{{"hashedrekord", "0.0.1"}} }

// attestationEntries are the records of legacy attestations. Both have the digest of the whole
// envelope, computed by Rekor. cosign 2 writes one of them, by --rekor-entry-type.
func attestationEntries() []entryKind { return []entryKind{{"dsse", "0.0.1"}, {"intoto", "0.0.1"}} }

// checkEntry refuses records of other kinds, such as rpm and jar, before one of Rekor's dozen
// parsers reads them. These print unknown content to stderr.
func checkEntry(body []byte, allowed []entryKind) error {
	var kind entryKind
	if err := json.Unmarshal(body, &kind); err != nil {
		return err
	}
	if !slices.Contains(allowed, kind) {
		return fmt.Errorf("log entry of kind %q %q", kind.Kind, kind.Version)
	}
	return nil
}
