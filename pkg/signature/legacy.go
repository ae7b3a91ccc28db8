package signature

import (
	"context"
	"crypto/x509"
	"errors"
	"strings"
	"time"

	ggcr "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sigstore/cosign/v2/pkg/cosign"
	rekor "github.com/sigstore/cosign/v2/pkg/cosign/bundle"
	"github.com/sigstore/cosign/v2/pkg/oci"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore/pkg/cryptoutils"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// legacy is a signature in cosign 2's form: a simple-signing payload, and annotations with the rest.
type legacy struct {
	digest  chart.Digest
	layer   oci.Signature
	leaf    *x509.Certificate
	entry   *rekor.RekorBundle
	stamped time.Time // already proven, by an authority of the trust root
}

func parseLegacy(digest chart.Digest, m chart.Material, trust root.TrustedMaterial) (*legacy, error) {
	if err := checkSizes(m); err != nil {
		return nil, err
	}
	if err := checkPayload(digest, m); err != nil {
		return nil, err
	}
	raw, err := parseSignature(m.Annotations)
	if err != nil {
		return nil, err
	}
	l := &legacy{digest: digest}
	if l.leaf, err = parseCertificate(m.Annotations); err != nil {
		return nil, err
	}
	if l.entry, err = parseEntry(m.Annotations); err != nil {
		return nil, err
	}
	stamp, err := parseTimestamp(m.Annotations)
	if err != nil {
		return nil, err
	}
	// Proven here, because cosign panics on a timestamp that does not verify.
	if l.stamped, err = stampedAt(stamp, raw, trust); err != nil {
		return nil, invalid("its timestamp is by no authority of the trust root", err)
	}
	l.layer, err = newLayer(m, l, stamp)
	return l, err
}

// newLayer is the signature as cosign wants it. The certificates in the chain annotation are left out: intermediates
// come from the trust root only.
func newLayer(m chart.Material, l *legacy, stamp []byte) (oci.Signature, error) {
	var options []static.Option
	if l.leaf != nil {
		pem, err := cryptoutils.MarshalCertificateToPEM(l.leaf)
		if err != nil {
			return nil, internal(err)
		}
		options = append(options, static.WithCertChain(pem, nil))
	}
	if l.entry != nil {
		options = append(options, static.WithBundle(l.entry))
	}
	if !l.stamped.IsZero() {
		options = append(options, static.WithRFC3161Timestamp(rekor.TimestampToRFC3161Timestamp(stamp)))
	}
	layer, err := static.NewSignature(m.Content, m.Annotations[static.SignatureAnnotationKey], options...)
	if err != nil {
		return nil, internal(err)
	}
	return layer, nil
}

func (l *legacy) certificate() *x509.Certificate { return l.leaf }

func (l *legacy) logs() []string {
	if l.entry == nil {
		return nil
	}
	return []string{strings.ToLower(l.entry.Payload.LogID)}
}

func (l *legacy) verify(ctx context.Context, co *cosign.CheckOpts) (proof, error) {
	co.UseSignedTimestamps = !l.stamped.IsZero()
	hash := ggcr.Hash{Algorithm: "sha256", Hex: l.digest.Hex()}
	logged, err := cosign.VerifyImageSignature(ctx, l.layer, hash, co)
	switch {
	case err != nil:
		return proof{}, err
	case logged == co.IgnoreTlog: // cannot be, by cosign's code
		return proof{}, errors.New("cosign verified a log entry that it was not asked for, or none")
	}
	p := proof{statement: verdict.ChartSignature, signedAt: l.stamped}
	if logged {
		p.signedAt = earlier(p.signedAt, l.integrated())
	}
	if l.leaf == nil {
		return p, nil
	}
	if err := l.checkChain(co.TrustedMaterial); err != nil {
		return proof{}, err
	}
	summary, err := certificate.SummarizeCertificate(l.leaf)
	p.summary = &summary
	return p, err
}

// checkChain proves that all certificates up to the root were valid when the signature was made. cosign proves it of
// the leaf alone, and of the others when the leaf was issued (CVE-2026-24122).
func (l *legacy) checkChain(trust root.TrustedMaterial) error {
	for _, at := range []time.Time{l.integrated(), l.stamped} {
		if at.IsZero() {
			continue
		}
		if err := chains(l.leaf, at, trust); err != nil {
			return err
		}
	}
	return nil
}

// integrated is when the log says that it got the entry: good once the entry is verified, whose promise covers it.
func (l *legacy) integrated() time.Time {
	if l.entry == nil {
		return time.Time{}
	}
	return time.Unix(l.entry.Payload.IntegratedTime, 0)
}
