package signature_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"testing"
	"time"

	"github.com/digitorus/timestamp"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/signature"
	"github.com/chartgate/chartgate/pkg/verdict"
	"github.com/chartgate/chartgate/test/sigstore"
)

// TestTimes: where both log and timestamp authority vouch for a time, a certificate must hold at both, and the earlier one
// is when it was signed. The fixture's authority agrees with its log, so this one is our own.
func TestTimes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tsa := newTSA(t, w.now)
	end := w.now.AddDate(10, 0, 0)
	trusted := edit(t, must(w.TrustedRoot())(t), func(r map[string]any) {
		at(r, "timestampAuthorities", "0")["certChain"] = map[string]any{"certificates": []any{
			map[string]any{"rawBytes": tsa.leaf.Raw}, map[string]any{"rawBytes": tsa.root.Raw},
		}}
		delete(at(r, "timestampAuthorities", "0", "validFor"), "end")
		delete(at(r, "certificateAuthorities", "0", "validFor"), "end")
	})
	verifier := must(signature.New(trusted))(t)
	minute := func(n int) time.Time { return w.now.Add(time.Duration(n) * time.Minute) }
	lastMinutes := []sigstore.Option{sigstore.CertificateAt(end.Add(-5 * time.Minute)), sigstore.SignedAt(end.Add(-time.Minute))}

	for _, tc := range []struct {
		name     string
		material chart.Material
		wanted   verdict.Wanted
		stamp    time.Time
		want     time.Time // zero: refused
	}{
		{name: "bundle by a key, stamped before it was logged", material: w.bundle(t, w.key), wanted: logged(t, w.key), stamp: minute(-60), want: minute(-60)},
		{name: "bundle by a key, stamped later", material: w.bundle(t, w.key), wanted: logged(t, w.key), stamp: minute(60), want: w.now},
		{name: "legacy by a key, stamped before it was logged", material: w.legacy(t, w.key), wanted: logged(t, w.key), stamp: minute(-60), want: minute(-60)},
		{name: "legacy by a key, stamped later", material: w.legacy(t, w.key), wanted: logged(t, w.key), stamp: minute(60), want: w.now},
		{name: "legacy, logged before it was stamped", material: w.legacy(t, w.workflow), wanted: keyless(), stamp: minute(2), want: w.now},
		{name: "legacy, stamped before it was logged", material: w.legacy(t, w.workflow, sigstore.SignedAt(minute(2))), wanted: keyless(), stamp: minute(1), want: minute(1)},
		{name: "legacy, stamped after the certificate ended", material: w.legacy(t, w.workflow), wanted: keyless(), stamp: minute(11)},
		{name: "legacy, stamped before the certificate began", material: w.legacy(t, w.workflow), wanted: keyless(), stamp: minute(-1)},
		{name: "legacy, stamped while the issuer was valid", material: w.legacy(t, w.workflow, lastMinutes...), wanted: keyless(), stamp: end.Add(-2 * time.Minute), want: end.Add(-2 * time.Minute)},
		{name: "CVE-2026-24122: legacy, stamped after the issuer's certificate ended", material: w.legacy(t, w.workflow, lastMinutes...), wanted: keyless(), stamp: end.Add(2 * time.Minute)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := verifier.Verify(context.Background(), w.chart, tsa.restamp(t, tc.material, tc.stamp), tc.wanted)
			switch {
			case tc.want.IsZero():
				wantRejection(t, got, err, verdict.SignatureInvalid, "does not hold")
			case err != nil:
				t.Error(err)
			case !got.SignedAt.Equal(tc.want):
				t.Errorf("signed at %s, want %s", got.SignedAt, tc.want)
			}
		})
	}
}

type tsa struct {
	root, leaf *x509.Certificate
	key        *ecdsa.PrivateKey
}

func newTSA(t *testing.T, now time.Time) *tsa {
	t.Helper()
	issue := func(template, parent *x509.Certificate, public any, by *ecdsa.PrivateKey) *x509.Certificate {
		template.NotBefore, template.NotAfter = now.AddDate(-20, 0, 0), now.AddDate(20, 0, 0)
		return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, parent, public, by))(t)))(t)
	}
	usage := must(asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}}))(t)
	rootKey, key := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
	root := issue(ca, ca, rootKey.Public(), rootKey)
	leaf := issue(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: usage}},
	}, root, key.Public(), rootKey)
	return &tsa{root: root, leaf: leaf, key: key}
}

// restamp replaces the timestamp of the material.
func (a *tsa) restamp(t *testing.T, m chart.Material, when time.Time) chart.Material {
	t.Helper()
	if m.Format == chart.Legacy {
		stamp := a.stamp(t, m.Annotations[signatureAnnotation], when)
		return annotate(m, timestampAnnotation, string(must(json.Marshal(map[string]any{"SignedRFC3161Timestamp": stamp}))(t)))
	}
	return bundleOf(edit(t, m.Content, func(b map[string]any) {
		stamp := a.stamp(t, at(b, "dsseEnvelope", "signatures", "0")["sig"].(string), when)
		at(b, "verificationMaterial", "timestampVerificationData", "rfc3161Timestamps", "0")["signedTimestamp"] = stamp
	}))
}

func (a *tsa) stamp(t *testing.T, encoded string, at time.Time) []byte {
	t.Helper()
	sum := sha256.Sum256(must(base64.StdEncoding.DecodeString(encoded))(t))
	response := timestamp.Timestamp{
		HashAlgorithm: crypto.SHA256, HashedMessage: sum[:], Time: at, Policy: asn1.ObjectIdentifier{1, 2, 3},
	}
	return must(response.CreateResponseWithOpts(a.leaf, a.key, crypto.SHA256))(t)
}
