package signature

import "bytes"

const (
	// maxBundle bounds a bundle's JSON, and a legacy attestation's envelope. Signatures take 10 KiB; the largest honest
	// attestations, SBOMs, a few MiB. Parsing costs several times the size in memory, and a bundle is not compressed
	// (never decompress one: 509 KiB became 1.2 GiB).
	maxBundle = 8 << 20
	// maxPayload bounds a legacy payload: cosign's take 300 bytes, more only with annotations of the signer's own.
	maxPayload = 64 << 10
	// maxAnnotation bounds each annotation of a legacy signature. The largest, a log entry with a certificate in
	// base64 in base64, takes 8 KiB.
	maxAnnotation = 64 << 10
	// maxProofs bounds the log entries and, separately, the timestamps of a bundle. Signers use one or two; each costs a
	// signature check. sigstore-go stops at 32, but only after it has parsed however many there are.
	maxProofs = 8
	// maxEntry bounds the body of each log entry in a bundle. Honest ones take 3 KiB.
	maxEntry = 64 << 10
	// maxValues bounds the JSON values in a bundle or an envelope, beside the statement in it. Honest ones have some
	// hundred. Each of a bundle's becomes an object of some 1.5 KiB, however short it is: 2 MB of "{}," took 1 GiB.
	maxValues = 10_000
	// maxStatement bounds the JSON values in a statement. An SBOM of 4 MB has 180,000, so the largest that fits into
	// maxBundle fits in here. Its predicate, once decoded, takes 50 MiB at the worst (150,000 objects of one name).
	maxStatement = 300_000
)

// values is an upper bound of the number of values in JSON, found without parsing it.
func values(raw []byte) int {
	n := 1
	for _, opener := range []string{"{", "[", ","} {
		n += bytes.Count(raw, []byte(opener))
	}
	return n
}
