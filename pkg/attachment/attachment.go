// Package attachment holds what a registry keeps beside a chart: signatures and attestations as
// bytes that anyone who can push could have written.
package attachment

import (
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// Format is how an attachment is stored beside a chart.
type Format int

const (
	// Bundle is a sigstore bundle in an OCI referrer (cosign 3's default).
	Bundle Format = iota + 1
	// Legacy is a layer of the tag "sha256-<hex>.sig" (cosign 2's default).
	Legacy
	// LegacyAttestation is a layer of the tag "sha256-<hex>.att": a DSSE envelope.
	LegacyAttestation
)

// String returns the format as it is spelled in messages.
func (f Format) String() string {
	switch f {
	case Bundle:
		return "bundle"
	case Legacy:
		return "legacy signature"
	case LegacyAttestation:
		return "legacy attestation"
	default:
		return "unknown format"
	}
}

// Attachment is one signature or attestation as a registry served it: bytes that anyone who can
// push could have written. Do not trust its content before package signature has verified it.
type Attachment struct {
	Format Format
	// Source is the digest of the manifest that holds the attachment, or, for the legacy formats,
	// of the payload.
	Source chart.Digest
	// Content is the bundle's JSON, the legacy simple-signing payload or the legacy
	// attestation's DSSE envelope.
	Content []byte
	// Unread is set if legacy attestations exist that no policy requires. Such an attachment has no
	// content and proves nothing; a denial uses it to explain that the chart was attested, but not
	// signed.
	Unread bool
	// Annotations of the legacy layers: signature, certificate, chain, log entry.
	Annotations map[string]string
}

// Search says where the attachments of a chart are, and which of them are needed.
type Search struct {
	Access sourceauth.Auth
	// Repositories are where to look; the zero Location is the chart's own. An empty list means the
	// chart's own too.
	Repositories []chart.Location
	// Predicates are the types of the attestations that are needed in addition to signatures.
	Predicates []string
}
