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

// byCertificate proves a keyless signature: certificate, its promise to the certificate transparency log (SCT),
// inclusion in the transparency log, and a signing time within the certificate's life. Where the log is not required, a
// timestamp by an authority of the trust root is enough; but an entry that is there, of a log that the trust root knows,
// must hold all the same.
func (t trusted) byCertificate(ctx context.Context, s signed, unlogged bool) (proof, error) {
	if t.missing != nil {
		return proof{}, t.untrusted("made with a certificate, which cannot be verified")
	}
	known := func(log string) bool { return t.trust.RekorLogs()[log] != nil }
	logged := slices.ContainsFunc(s.logs(), known)
	if !logged && !unlogged {
		return proof{}, t.notLogged(s)
	}
	p, err := s.verify(ctx, checks{trust: t.trust, log: logged})
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

// notLogged is the rejection of what must be in a log of the trust root and is not.
func (t trusted) notLogged(s signed) error {
	if len(s.logs()) > 0 {
		return invalid("logged in no transparency log of the trust root", foreign{errors.New("it is in other logs")})
	}
	const detail = "made with a certificate, but without a transparency log entry, which only keyless.transparencyLog: NotRequired accepts"
	if _, err := chains(s.certificate(), s.certificate().NotBefore, t.trust); err != nil {
		return invalid(detail, foreign{err})
	}
	return invalid(detail, nil)
}

// signerOf names the identity in a verified certificate.
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

// diagnose says for people why a signature by certificate failed, as far as can be told without interpreting the
// texts of libraries. It decides nothing.
func (t trusted) diagnose(s signed, logged bool, err error) error {
	_, unknown := chains(s.certificate(), s.certificate().NotBefore, t.trust)
	switch {
	case unknown != nil && !logged:
		return invalid("its certificate was not issued by an authority of the trust root", foreign{err})
	case unknown != nil:
		return invalid("its certificate was not issued by an authority of the trust root", err)
	case !logged:
		return invalid("its signature, certificate or signed timestamp is not valid", err)
	default:
		return invalid("its signature, certificate or log entry is not valid", err)
	}
}

// chains are the ways from the certificate to an authority of the trust root, each certificate on them valid at that
// time; no way is an error. Certificates that come with the material are never used.
func chains(leaf *x509.Certificate, at time.Time, trust root.TrustedMaterial) ([][]*x509.Certificate, error) {
	checked := *leaf
	// Fulcio issues subjects in a form (OtherName) that crypto/x509 does not handle; certificate.Summary does.
	checked.UnhandledCriticalExtensions = slices.DeleteFunc(
		slices.Clone(leaf.UnhandledCriticalExtensions), cryptoutils.SANOID.Equal)
	return verify.VerifyLeafCertificate(at, &checked, trust)
}
