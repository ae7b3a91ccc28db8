package signature

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/cryptoutils"

	"github.com/chartgate/chartgate/pkg/verdict"
)

// byCertificate proves a keyless signature: certificate, its promise to the certificate transparency log (SCT),
// inclusion in the transparency log, and a signing time within the certificate's life.
func (t trusted) byCertificate(ctx context.Context, s signed) (proof, error) {
	if t.missing != nil {
		return proof{}, t.untrusted("made with a certificate, which cannot be verified")
	}
	if len(s.logs()) == 0 {
		return proof{}, invalid("made with a certificate, but without a transparency log entry", nil)
	}
	p, err := s.verify(ctx, &cosign.CheckOpts{
		TrustedMaterial: t.trust,
		// Any identity. Package policy matches identities on the evidence, because cosign refuses several for bundles
		// and matches regular expressions unanchored. None at all is an error for bundles and "any" for legacy ones.
		Identities: []cosign.Identity{{IssuerRegExp: ".*", SubjectRegExp: ".*"}},
		Offline:    true,
	})
	if err != nil {
		return proof{}, t.diagnose(s, err)
	}
	p.signer, err = signerOf(p.summary)
	if err != nil {
		return proof{}, invalid("its certificate does not say who signed", err)
	}
	p.logged = true
	return p, nil
}

// signerOf names the identity in a verified certificate.
func signerOf(summary *certificate.Summary) (verdict.Signer, error) {
	if summary == nil || summary.Issuer == "" || summary.SubjectAlternativeName == "" {
		return verdict.Signer{}, errors.New("certificate without issuer extension or subject alternative name")
	}
	raw, err := json.Marshal(summary.Extensions)
	if err != nil {
		return verdict.Signer{}, err
	}
	claims := map[string]string{}
	if err := json.Unmarshal(raw, &claims); err != nil {
		return verdict.Signer{}, err
	}
	return verdict.Signer{Issuer: summary.Issuer, Subject: summary.SubjectAlternativeName, Claims: claims}, nil
}

// diagnose says for people why a signature by certificate failed, as far as can be told without interpreting the
// texts of libraries. It decides nothing.
func (t trusted) diagnose(s signed, err error) error {
	known := func(log string) bool { return t.trust.RekorLogs()[log] != nil }
	issued := s.certificate().NotBefore
	switch {
	case !slices.ContainsFunc(s.logs(), known):
		return invalid("logged in no transparency log of the trust root", foreign{err})
	case chains(s.certificate(), issued, t.trust) != nil:
		return invalid("its certificate is by no authority of the trust root", err)
	default:
		return invalid("its signature, certificate or log entry does not hold", err)
	}
}

// chains fails unless the certificate leads to an authority of the trust root, with every certificate on the way valid
// at that time. Certificates that come with the material are never used.
func chains(leaf *x509.Certificate, at time.Time, trust root.TrustedMaterial) error {
	checked := *leaf
	// Fulcio issues subjects in a form (OtherName) that crypto/x509 does not handle; certificate.Summary does.
	checked.UnhandledCriticalExtensions = slices.DeleteFunc(
		slices.Clone(leaf.UnhandledCriticalExtensions), cryptoutils.SANOID.Equal)
	_, err := verify.VerifyLeafCertificate(at, &checked, trust)
	return err
}
