package attacks_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chartgate/chartgate/pkg/verdict"
	"github.com/chartgate/chartgate/test/fixtures/charts"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
	"github.com/chartgate/chartgate/test/harness"
)

// The annotations of legacy signatures.
const (
	entryAnnotation       = "dev.sigstore.cosign/bundle"
	certificateAnnotation = "dev.sigstore.cosign/certificate"
	chainAnnotation       = "dev.sigstore.cosign/chain"
	signatureAnnotation   = "dev.cosignproject.cosign/signature"
	timestampAnnotation   = "dev.sigstore.cosign/rfc3161timestamp"
	predicateAnnotation   = "dev.sigstore.bundle.predicateType"
)

const slsa = "https://slsa.dev/provenance/v1"

// signatureAttack is what an attacker attaches to a chart of their own, or pushes in place of a
// chart.
type signatureAttack struct {
	sentence, source string
	team             string // whose policy is asked; charts if ""
	attach           func(t *testing.T, s *stall)
	want             verdict.Reason // "" is a control row: verified
}

func (a signatureAttack) run(t *testing.T) {
	t.Helper()
	if a.team == "" {
		a.team = "charts"
	}
	s := newStall(t, a.team, registrytest.Options{})
	a.attach(t, s)
	expect(t, a.want, s.gate(t).Decide(inTime(t, harness.Patience), s.use(t, s.repo+":1.0.0")))
}

// TestForgedSignatures: what is not a signature of exactly this chart by a signer that the policy
// names does not count.
func TestForgedSignatures(t *testing.T) {
	t.Parallel()
	const missing, invalid, stranger = verdict.SignatureMissing, verdict.SignatureInvalid, verdict.IdentityNotAllowed
	signedBy := func(by sigstore.Signer, opts ...sigstore.Option) func(*testing.T, *stall) {
		return func(t *testing.T, s *stall) { s.signed(t, by, opts...) }
	}
	byAcme := func(opts func(s *stall) []sigstore.Option) func(*testing.T, *stall) {
		return func(t *testing.T, s *stall) { s.signed(t, acme(), opts(s)...) }
	}
	byKey := func(opts ...sigstore.Option) func(*testing.T, *stall) {
		return func(t *testing.T, s *stall) { s.signed(t, s.key, opts...) }
	}
	for _, a := range []signatureAttack{
		{"control: a bundle and a legacy signature by the right workflow", "", "", signedBy(acme()), ""},
		{"no signature at all", "", "", func(*testing.T, *stall) {}, missing},

		// Attestations.
		{"an attestation by the right workflow", "CVE-2022-35929", "", func(t *testing.T, s *stall) { s.attach(t, s.attestation(t), nil) }, missing},
		{"an attestation whose annotation says that it is a signature", "CVE-2022-35930", "", func(t *testing.T, s *stall) {
			s.attach(t, s.attestation(t), map[string]string{predicateAnnotation: sigstore.SignPredicateType})
		}, missing},
		{"an attestation whose predicate type was changed to a signature's", "CVE-2022-35929", "", func(t *testing.T, s *stall) {
			s.attach(t, s.attestation(t, sigstore.Tampered(replace(slsa, sigstore.SignPredicateType))), nil)
		}, invalid},
		{"a signed payload that is no claim of cosign's", "CVE-2022-35930", "unlogged", func(t *testing.T, s *stall) {
			claim := fmt.Sprintf(`{"critical":{"image":{"docker-manifest-digest":%q},"type":"atomic container signature"}}`, s.digest)
			s.attachLegacy(t, []byte(claim), s.signedPayload(t, claim))
		}, invalid},

		// Bundles and log entries of other signatures.
		{"the proof of one signature beside another signature", "CVE-2022-36056", "", func(t *testing.T, s *stall) {
			payload, annotations := s.legacyOf(t, acme(), s.digest)
			_, other := s.legacyOf(t, acme(), s.digest)
			s.attachLegacy(t, payload, with(annotations, other, entryAnnotation))
			s.attachLegacy(t, payload, with(annotations, other, entryAnnotation, certificateAnnotation, chainAnnotation))
		}, invalid},
		{"the proof of the right workflow's signature beside a stranger's key's", "CVE-2022-36056", "", func(t *testing.T, s *stall) {
			payload, annotations := s.legacyOf(t, s.theirs, s.digest)
			_, good := s.legacyOf(t, acme(), s.digest)
			s.attachLegacy(t, payload, with(annotations, good, entryAnnotation, certificateAnnotation, chainAnnotation))
		}, invalid},
		{"a genuine log entry of another signature by the same workflow", "CVE-2026-22703", "", signedBy(acme(), sigstore.UnrelatedLogEntry()), invalid},
		{"a genuine log entry of another signature by the same key", "CVE-2026-22703", "keys", byKey(sigstore.UnrelatedLogEntry()), invalid},
		{"the log entry of another chart's signature by the same workflow", "CVE-2026-22703", "", func(t *testing.T, s *stall) {
			other, _ := s.push(t, s.repo, "2.0.0", "other")
			s.attach(t, graft(t, s.bundleOf(t, acme(), s.digest), s.bundleOf(t, acme(), other), "tlogEntries"), nil)
		}, invalid},
		{"the log entry of another key", "CVE-2026-22703", "keys", func(t *testing.T, s *stall) {
			s.attach(t, graft(t, s.bundleOf(t, s.key, s.digest), s.bundleOf(t, s.theirs, s.digest), "tlogEntries"), nil)
		}, invalid},
		{"a log entry moved in time, into the life of the certificate", "CVE-2026-22703", "", func(t *testing.T, s *stall) {
			late := s.bundleOf(t, acme(), s.digest, sigstore.SignedAt(s.now.Add(time.Hour)))
			s.attach(t, edit(t, late, func(b map[string]any) {
				at(b, "verificationMaterial", "tlogEntries", "0")["integratedTime"] = s.now.Unix()
			}), nil)
		}, invalid},
		{"logged in a stranger's log", "", "", func(t *testing.T, s *stall) {
			s.attach(t, must(s.stranger.Bundle(acme(), s.digest, sigstore.SignPredicateType, nil))(t), nil)
		}, invalid},
		{"not logged, by the right workflow", "", "", signedBy(acme(), sigstore.WithoutLog()), invalid},
		{"not logged, by a key that must log", "", "keys", byKey(sigstore.WithoutLog()), invalid},
		{"control: not logged, by a key that need not", "", "unlogged", byKey(sigstore.WithoutLog()), ""},

		// Certificates.
		{"the certificate is still valid, its issuer's is not", "CVE-2026-24122", "", byAcme(func(s *stall) []sigstore.Option {
			s.forgetEnds()
			end := s.now.AddDate(10, 0, 0)
			return []sigstore.Option{sigstore.CertificateAt(end.Add(-5 * time.Minute)), sigstore.SignedAt(end.Add(2 * time.Minute)), sigstore.WithoutTimestamp()}
		}), invalid},
		{"the certificate was over when the signature was logged", "", "", byAcme(func(s *stall) []sigstore.Option {
			return []sigstore.Option{sigstore.CertificateAt(s.now.Add(-time.Hour))}
		}), invalid},
		{"the certificate was issued after the signature was logged", "", "", byAcme(func(s *stall) []sigstore.Option {
			return []sigstore.Option{sigstore.SignedAt(s.now.Add(-time.Hour))}
		}), invalid},
		{"a certificate that says acme, of a stranger's authority, genuinely logged", "", "", byAcme(func(s *stall) []sigstore.Option {
			return []sigstore.Option{sigstore.CertificateOf(s.stranger)}
		}), invalid},
		{"the same with the authority's chain beside it", "", "", func(t *testing.T, s *stall) {
			payload, annotations, err := s.stranger.Legacy(acme(), s.repo, s.digest)
			if err != nil {
				t.Fatal(err)
			}
			_, ours := s.legacyOf(t, acme(), s.digest)
			s.attachLegacy(t, payload, with(annotations, ours, chainAnnotation))
			s.attachLegacy(t, payload, annotations)
		}, invalid},
		{"a certificate without the promise of the certificate transparency log", "", "", signedBy(acme(), sigstore.WithoutSCT()), invalid},
		{"a certificate without an issuer", "", "", signedBy(sigstore.Identity{Subject: acme().Subject, Claims: acme().Claims}), invalid},
		{"a bare public key in the place of the certificate", "GHSA-fx35-mq7g-6g98", "any", func(t *testing.T, s *stall) {
			payload, annotations := s.legacyOf(t, s.theirs, s.digest)
			annotations[certificateAnnotation] = string(must(s.theirs.PEM())(t))
			s.attachLegacy(t, payload, annotations)
		}, invalid},
		{"a bare public key behind the certificate", "GHSA-fx35-mq7g-6g98", "", func(t *testing.T, s *stall) {
			payload, annotations := s.legacyOf(t, acme(), s.digest)
			annotations[certificateAnnotation] += string(must(s.theirs.PEM())(t))
			s.attachLegacy(t, payload, annotations)
		}, invalid},
		{"no trust root, and a certificate", "", "", func(t *testing.T, s *stall) {
			s.signed(t, acme())
			s.root = nil
		}, verdict.TrustRootUnavailable},

		// Payloads.
		{"a well signed payload that does not parse", "CVE-2026-39395", "unlogged", func(t *testing.T, s *stall) {
			s.attachLegacy(t, []byte("\x00"), s.signedPayload(t, "\x00"))
			s.attachLegacy(t, []byte("[]"), s.signedPayload(t, "[]"))
		}, invalid},
		{"a statement that does not parse", "CVE-2026-39395", "", func(t *testing.T, s *stall) {
			s.attach(t, edit(t, s.bundleOf(t, acme(), s.digest), func(b map[string]any) { at(b, "dsseEnvelope")["payload"] = "AAAA" }), nil)
		}, invalid},
		{"the payload was changed after it was signed", "", "", func(t *testing.T, s *stall) {
			other, _ := s.push(t, s.repo, "2.0.0", "other")
			change := sigstore.Tampered(replace(other[7:], s.digest[7:]))
			s.attach(t, s.bundleOf(t, acme(), other, change), nil)
			payload, annotations := s.legacyOf(t, acme(), other, change)
			s.attachLegacy(t, payload, annotations)
		}, invalid},
		{"a message signature whose digest lies about what was signed", "", "", func(t *testing.T, s *stall) {
			other, _ := s.push(t, s.repo, "2.0.0", "other")
			s.attach(t, must(s.MessageSignatureBundle(acme(), other, sigstore.Tampered(func([]byte) []byte {
				return must(hex.DecodeString(s.digest[7:]))(t)
			})))(t), nil)
		}, invalid},
		{"an empty signature", "", "any", func(t *testing.T, s *stall) {
			payload, annotations := s.legacyOf(t, acme(), s.digest)
			annotations[signatureAnnotation] = ""
			s.attachLegacy(t, payload, annotations)
		}, invalid},
		{"a bundle that decompresses to half a gigabyte", cosignDecompress, "", func(t *testing.T, s *stall) {
			s.attach(t, gzipped(t, bytes.Repeat([]byte(" "), 1<<20)), map[string]string{predicateAnnotation: sigstore.SignPredicateType})
		}, invalid},
		{"a bundle of very many values", "CVE-2024-29902", "", func(t *testing.T, s *stall) {
			s.attach(t, []byte("["+strings.Repeat("0,", 200_000)+"0]"), map[string]string{predicateAnnotation: sigstore.SignPredicateType})
		}, verdict.LimitExceeded},

		// Signatures of other content.
		{"a good signature of another chart, copied", "", "", func(t *testing.T, s *stall) {
			other, _ := s.push(t, s.repo, "2.0.0", "other")
			s.attach(t, s.bundleOf(t, acme(), other), nil)
			payload, annotations := s.legacyOf(t, acme(), other)
			s.attachLegacy(t, payload, annotations)
		}, invalid},
		{"a signature by a key of another chart, copied", cosignClaims, "unlogged", func(t *testing.T, s *stall) {
			other, _ := s.push(t, s.repo, "2.0.0", "other")
			payload, annotations := s.legacyOf(t, s.key, other)
			s.attachLegacy(t, payload, annotations)
		}, invalid},
		{"a signature that belongs to another repository, whose people may not sign here", "", "billing", signedBy(acme()), stranger},
		{"a good bundle in a manifest that refers to another chart", "", "", func(t *testing.T, s *stall) {
			other, _ := s.push(t, s.repo, "2.0.0", "other")
			digest := must(s.AttachBundle(s.repo, other, s.bundleOf(t, acme(), s.digest), nil))(t)
			s.listed(t, digest)
		}, invalid},

		// Identities.
		{"the right issuer, a wrong subject", "", "", signedBy(mallory()), stranger},
		{"the right subject, a wrong issuer", "", "", signedBy(sigstore.Identity{Issuer: "https://issuer.mallory.example", Subject: acme().Subject, Claims: acme().Claims}), stranger},
		{"the right issuer and subject, a wrong claim", "", "", signedBy(sigstore.Identity{Issuer: issuer, Subject: acme().Subject, Claims: mallory().Claims}), stranger},
		{"the right issuer and subject, no claim", "", "", signedBy(sigstore.Identity{Issuer: issuer, Subject: acme().Subject}), stranger},
		{"control: a workflow that the regular expression is meant for", "", "regexp", signedBy(workflowOf("acme/charts")), ""},
		{"a subject that holds the right one in its query", cosignIdentities, "regexp", signedBy(sigstore.Identity{Issuer: issuer, Subject: "https://mallory.example/?" + acme().Subject}), stranger},
		{"a subject that goes on after the right one", cosignIdentities, "regexp", signedBy(sigstore.Identity{Issuer: issuer, Subject: acme().Subject + "-mallory"}), stranger},
		{"an issuer that goes on after the right one", cosignIdentities, "regexp", signedBy(sigstore.Identity{Issuer: issuer + ".mallory.example", Subject: acme().Subject}), stranger},
		{"an issuer where a dot of the expression is another letter", "", "regexp", signedBy(sigstore.Identity{Issuer: strings.Replace(issuer, ".", "x", 1), Subject: acme().Subject}), stranger},
		{"a subject that is a prefix of the right one", "", "", signedBy(sigstore.Identity{Issuer: issuer, Subject: github + "acme/charts", Claims: acme().Claims}), stranger},
		{"a subject in another case", "", "", signedBy(sigstore.Identity{Issuer: issuer, Subject: strings.Replace(acme().Subject, "acme", "Acme", 1), Claims: acme().Claims}), stranger},
		{"a stranger's key", "", "keys", func(t *testing.T, s *stall) { s.signed(t, s.theirs) }, invalid},
		{"a stranger's key that says it is ours", "", "keys", func(t *testing.T, s *stall) {
			s.attach(t, graft(t, s.bundleOf(t, s.theirs, s.digest), s.bundleOf(t, s.key, s.digest), "publicKey"), nil)
		}, invalid},
		{"the right workflow where a key must sign", "", "keys", signedBy(acme()), invalid},
		{"one signature where two are required", "", "both", signedBy(acme()), stranger},
		{"one signature twice where two are required", "", "both", func(t *testing.T, s *stall) {
			s.signed(t, acme())
			s.signed(t, acme())
		}, stranger},
		{"control: both signatures where two are required", "", "both", func(t *testing.T, s *stall) {
			s.bundle(t, acme())
			s.legacy(t, s.key)
		}, ""},

		// Policies that name no signer.
		{"an empty list of identities", cosignIdentities, "empty-anyof", signedBy(acme()), verdict.PolicyInvalid},
		{"an empty list of requirements", "", "empty-require", signedBy(acme()), verdict.PolicyInvalid},
		{"an identity that names neither issuer nor subject", cosignIdentities, "blank", signedBy(mallory()), verdict.PolicyInvalid},
		{"an identity that is neither keyless nor a key", "", "neither", signedBy(mallory()), verdict.PolicyInvalid},
		{"an identity whose expression matches everything", "", "any-subject", signedBy(mallory()), verdict.PolicyInvalid},
		{"an identity whose expression closes the anchors' group", "", "two-groups", signedBy(mallory()), verdict.PolicyInvalid},
		{"an identity that does not exist", "", "unknown", signedBy(acme()), verdict.PolicyInvalid},
		{"a team that no policy knows", "", "nobodys", signedBy(acme()), verdict.NoPolicy},

		// Content that resembles a chart.
		{"control: an index of one chart, itself signed: helm pulls the chart by its digest in the index", helmPull, "", func(t *testing.T, s *stall) {
			s.replaceBy(t, indexType, s.index())
			s.signed(t, acme())
		}, ""},
		{"an index that is not signed, of a chart that is", "", "", func(t *testing.T, s *stall) {
			s.signed(t, acme())
			s.replaceBy(t, indexType, s.index())
		}, verdict.SignatureMissing},
		{"an index that says it is a manifest, of a chart that is signed", "CVE-2021-41190", "", func(t *testing.T, s *stall) {
			s.signed(t, acme())
			s.replaceBy(t, manifestType, s.index())
		}, verdict.NotAChart},
		{"a manifest that is an index too, signed", "CVE-2021-41190", "", func(t *testing.T, s *stall) {
			s.replaceBy(t, manifestType, edit(t, s.manifest(t), func(m map[string]any) { m["manifests"] = []any{} }))
			s.signed(t, acme())
		}, verdict.NotAChart},
		{"an artifact of another media type, signed", "", "", func(t *testing.T, s *stall) {
			s.replaceBy(t, manifestType, edit(t, s.manifest(t), func(m map[string]any) {
				at(m, "config")["mediaType"] = "application/vnd.cncf.flux.config.v1+json"
			}))
			s.signed(t, acme())
		}, verdict.NotAChart},
		{"a chart with two archives, signed", "", "", func(t *testing.T, s *stall) {
			s.replaceBy(t, manifestType, edit(t, s.manifest(t), func(m map[string]any) {
				m["layers"] = slices.Repeat(m["layers"].([]any), 2)
			}))
			s.signed(t, acme())
		}, verdict.NotAChart},
		{"a manifest with two layers of which parsers see different ones, signed", "", "", func(t *testing.T, s *stall) {
			_, evil := s.push(t, s.repo, "evil", "evil")
			raw := s.manifest(t)
			twice := bytes.Replace(raw, []byte(`"layers":`), fmt.Appendf(nil, `"layers":[{"mediaType":%q,"digest":%q,"size":1}],"layers":`, charts.LayerMediaType, evil), 1)
			s.replaceBy(t, manifestType, twice)
			s.signed(t, acme())
		}, verdict.NotAChart},

		// Good and bad side by side.
		{"control: a good legacy signature beside a stranger's attestation and garbage", cosignFormats, "any", func(t *testing.T, s *stall) {
			s.attach(t, must(s.Bundle(mallory(), s.digest, slsa, nil))(t), nil)
			s.attach(t, []byte("garbage"), nil)
			s.legacy(t, s.key, sigstore.WithoutLog())
		}, ""},
		{"control: a good bundle beside bad legacy signatures", "", "", func(t *testing.T, s *stall) {
			s.attachLegacy(t, []byte("garbage"), nil)
			s.legacy(t, mallory())
			s.bundle(t, acme())
		}, ""},
		{"a stranger's bundle beside a bad legacy signature by the right workflow", "", "", func(t *testing.T, s *stall) {
			s.bundle(t, mallory())
			s.legacy(t, acme(), sigstore.WithoutLog())
		}, stranger},
	} {
		t.Run(a.sentence, func(t *testing.T) {
			t.Parallel()
			a.run(t)
		})
	}
}

const (
	indexType    = "application/vnd.oci.image.index.v1+json"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
)
