package signature

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/cryptoutils"

	"github.com/chartgate/chartgate/pkg/evidence"
)

// byCertificate verifies a keyless signature: the certificate, the promise of the certificate
// transparency log (SCT), the inclusion in the transparency log, and a signing time within the
// validity of the certificate. Where the log is not required, a timestamp by an authority of the
// trust root is enough; but if there is an entry of a log in the trust root, it must be valid.
func (t trustRoot) byCertificate(ctx context.Context, s unverified, unlogged bool) (proof, error) {
	if t.missing != nil {
		return proof{}, t.required("made with a certificate, which cannot be verified")
	}
	known := func(log string) bool { return t.material.RekorLogs()[log] != nil }
	logged := slices.ContainsFunc(s.logs(), known)
	if !logged && !unlogged {
		return proof{}, t.notLogged(s)
	}
	p, err := s.verify(ctx, checks{trust: t.material, log: logged})
	if err != nil {
		return proof{}, t.diagnose(s, logged, err)
	}
	p.signer, err = signerOf(p.summary)
	if err != nil {
		return proof{}, invalid("its certificate does not say who signed", err)
	}
	p.logged = logged
	return p, nil
}

// notLogged is the rejection of an attachment that must be in a log of the trust root and is not.
func (t trustRoot) notLogged(s unverified) error {
	if len(s.logs()) > 0 {
		return invalid("logged in no transparency log of the trust root", unrelated{errors.New("it is in other logs")})
	}
	const detail = "made with a certificate, but without a transparency log entry, which only keyless.transparencyLog: NotRequired accepts"
	if _, err := chains(s.certificate(), s.certificate().NotBefore, t.material); err != nil {
		return invalid(detail, unrelated{err})
	}
	return invalid(detail, nil)
}

// signerOf returns the identity in a verified certificate.
func signerOf(summary *certificate.Summary) (evidence.Signer, error) {
	if summary == nil || summary.Issuer == "" || summary.SubjectAlternativeName == "" {
		return evidence.Signer{}, errors.New("certificate without issuer extension or subject alternative name")
	}
	raw, err := json.Marshal(summary.Extensions)
	if err != nil {
		return evidence.Signer{}, err
	}
	claims := map[string]string{}
	if err := json.Unmarshal(raw, &claims); err != nil {
		return evidence.Signer{}, err
	}
	return evidence.Signer{Issuer: summary.Issuer, Subject: summary.SubjectAlternativeName, Claims: claims}, nil
}

// diagnose says for users why the verification of a keyless signature failed, without an
// interpretation of the texts of libraries. It decides nothing.
func (t trustRoot) diagnose(s unverified, logged bool, err error) error {
	_, unknown := chains(s.certificate(), s.certificate().NotBefore, t.material)
	switch {
	case unknown != nil && !logged:
		return invalid("its certificate was not issued by an authority of the trust root", unrelated{err})
	case unknown != nil:
		return invalid("its certificate was not issued by an authority of the trust root", err)
	case !logged:
		return invalid("its signature, certificate or signed timestamp is not valid", err)
	default:
		return invalid("its signature, certificate or log entry is not valid", err)
	}
}

// chains returns the chains from the certificate to an authority of the trust root in which every
// certificate was valid at that time. No chain is an error. Certificates in the attachment are
// never used as intermediates.
func chains(leaf *x509.Certificate, at time.Time, trust root.TrustedMaterial) ([][]*x509.Certificate, error) {
	checked := *leaf
	// Fulcio issues subjects in a form (OtherName) that crypto/x509 does not handle;
	// certificate.Summary does.
	checked.UnhandledCriticalExtensions = slices.DeleteFunc(
		slices.Clone(leaf.UnhandledCriticalExtensions), cryptoutils.SANOID.Equal)
	return verify.VerifyLeafCertificate(at, &checked, trust)
}
