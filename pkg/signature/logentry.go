package signature

import (
	"encoding/json"
	"fmt"
	"slices"
)

// entryKind is the kind and version of a record in Rekor.
type entryKind struct {
	Kind    string `json:"kind"`
	Version string `json:"apiVersion"`
}

// bundleEntries are the records of signatures in bundles: Rekor v1's, and from 0.0.2 on (but intoto's) Rekor v2's.
func bundleEntries() []entryKind {
	return []entryKind{
		{"hashedrekord", "0.0.1"}, {"dsse", "0.0.1"}, {"intoto", "0.0.2"},
		{"hashedrekord", "0.0.2"}, {"dsse", "0.0.2"},
	}
}

// legacyEntries are the records of legacy signatures. cosign writes this one since 1.2 (2021).
func legacyEntries() []entryKind { return []entryKind{{"hashedrekord", "0.0.1"}} }

// attestationEntries are the records of legacy attestations that name the digest of the whole envelope, as Rekor computed
// it. cosign 2 writes either, by --rekor-entry-type.
func attestationEntries() []entryKind { return []entryKind{{"dsse", "0.0.1"}, {"intoto", "0.0.1"}} }

// checkEntry keeps bodies of other kinds from Rekor's parsers: there are a dozen, for rpm, jar and more, and they print
// what they do not know to stderr.
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
