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

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/verdict"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
)

// TestTimes: where both log and timestamp authority vouch for a time, a certificate must hold at both, and the earlier one
// is when it was signed. The fixture's authority agrees with its log, so this one is our own.
func TestTimes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	always := period{w.now.AddDate(-20, 0, 0), w.now.AddDate(20, 0, 0)}
	tsa := newTSA(t, always, always)
	end := w.now.AddDate(10, 0, 0)
	verifier := verifierOf(t, edit(t, tsa.in(t, w), func(r map[string]any) {
		delete(at(r, "certificateAuthorities", "0", "validFor"), "end")
	}))
	minute := func(n int) time.Time { return w.now.Add(time.Duration(n) * time.Minute) }
	lastMinutes := []sigstore.Option{sigstore.CertificateAt(end.Add(-5 * time.Minute)), sigstore.SignedAt(end.Add(-time.Minute))}

	for _, tc := range []struct {
		name     string
		material attachment.Attachment
		wanted   evidence.Wanted
		stamp    time.Time
		want     time.Time // zero: refused
	}{
		{name: "bundle by a key, stamped before it was logged", material: w.bundle(t, w.key), wanted: logged(t, w.key), stamp: minute(-60), want: minute(-60)},
		{name: "bundle by a key, stamped later", material: w.bundle(t, w.key), wanted: logged(t, w.key), stamp: minute(60), want: w.now},
		{name: "legacy by a key, stamped before it was logged", material: w.legacy(t, w.key), wanted: logged(t, w.key), stamp: minute(-60), want: minute(-60)},
		{name: "legacy by a key, stamped later", material: w.legacy(t, w.key), wanted: logged(t, w.key), stamp: minute(60), want: w.now},
		{name: "bundle, logged before it was stamped", material: w.bundle(t, w.workflow), wanted: keyless(), stamp: minute(2), want: w.now},
		{name: "bundle, stamped before it was logged", material: w.bundle(t, w.workflow, sigstore.SignedAt(minute(2))), wanted: keyless(), stamp: minute(1), want: minute(1)},
		{name: "bundle, stamped after the certificate ended", material: w.bundle(t, w.workflow), wanted: keyless(), stamp: minute(11)},
		{name: "bundle, stamped before the certificate began", material: w.bundle(t, w.workflow), wanted: keyless(), stamp: minute(-1)},
		{name: "bundle, stamped while the issuer was valid", material: w.bundle(t, w.workflow, lastMinutes...), wanted: keyless(), stamp: end.Add(-2 * time.Minute), want: end.Add(-2 * time.Minute)},
		{name: "CVE-2026-24122: bundle, stamped after the issuer's certificate ended", material: w.bundle(t, w.workflow, lastMinutes...), wanted: keyless(), stamp: end.Add(2 * time.Minute)},
		{name: "legacy, logged before it was stamped", material: w.legacy(t, w.workflow), wanted: keyless(), stamp: minute(2), want: w.now},
		{name: "legacy, stamped before it was logged", material: w.legacy(t, w.workflow, sigstore.SignedAt(minute(2))), wanted: keyless(), stamp: minute(1), want: minute(1)},
		{name: "legacy, stamped after the certificate ended", material: w.legacy(t, w.workflow), wanted: keyless(), stamp: minute(11)},
		{name: "legacy, stamped before the certificate began", material: w.legacy(t, w.workflow), wanted: keyless(), stamp: minute(-1)},
		{name: "legacy, stamped while the issuer was valid", material: w.legacy(t, w.workflow, lastMinutes...), wanted: keyless(), stamp: end.Add(-2 * time.Minute), want: end.Add(-2 * time.Minute)},
		{name: "CVE-2026-24122: legacy, stamped after the issuer's certificate ended", material: w.legacy(t, w.workflow, lastMinutes...), wanted: keyless(), stamp: end.Add(2 * time.Minute)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := one(verifier.Verify(context.Background(), w.chart, tsa.restamp(t, tc.material, tc.stamp), tc.wanted))
			switch {
			case tc.want.IsZero():
				wantRejection(t, got, err, verdict.SignatureInvalid, "is not valid")
			case err != nil:
				t.Error(err)
			case !got.SignedAt.Equal(tc.want):
				t.Errorf("signed at %s, want %s", got.SignedAt, tc.want)
			}
		})
	}
}

type period struct{ start, end time.Time }

// tsa is a timestamp authority of our own. Another got a certificate from its CA, for something else.
type tsa struct {
	root, leaf, other *x509.Certificate
	key, otherKey     *ecdsa.PrivateKey
}

func newTSA(t *testing.T, ca, valid period) *tsa {
	t.Helper()
	rootKey := ecKey(t, elliptic.P256())
	issue := func(serial int64, name string, in period, parent *x509.Certificate, public any, usage ...pkix.Extension) *x509.Certificate {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotBefore: in.start, NotAfter: in.end,
			KeyUsage: x509.KeyUsageDigitalSignature, ExtraExtensions: usage,
		}
		if parent == nil {
			parent, template.IsCA, template.BasicConstraintsValid, template.KeyUsage = template, true, true, x509.KeyUsageCertSign
		}
		return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, parent, public, rootKey))(t)))(t)
	}
	stamping := pkix.Extension{
		Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true,
		Value: must(asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}}))(t),
	}
	a := &tsa{key: ecKey(t, elliptic.P256()), otherKey: ecKey(t, elliptic.P256())}
	a.root = issue(1, "root", ca, nil, rootKey.Public())
	a.leaf = issue(2, "leaf", valid, a.root, a.key.Public(), stamping)
	a.other = issue(3, "a web server", ca, a.root, a.otherKey.Public())
	return a
}

// in is the trusted_root.json of the world, with this authority in it.
func (a *tsa) in(t *testing.T, w *world) []byte {
	t.Helper()
	return edit(t, must(w.TrustedRoot())(t), func(r map[string]any) {
		at(r, "timestampAuthorities", "0")["certChain"] = map[string]any{"certificates": []any{
			map[string]any{"rawBytes": a.leaf.Raw}, map[string]any{"rawBytes": a.root.Raw},
		}}
		delete(at(r, "timestampAuthorities", "0"), "validFor")
	})
}

// restamp replaces the timestamp of the material.
func (a *tsa) restamp(t *testing.T, m attachment.Attachment, when time.Time) attachment.Attachment {
	t.Helper()
	return withStamps(t, m, a.stamp(t, stampedIn(t, m), when))
}

// stampedIn is what a timestamp of the material is of.
func stampedIn(t *testing.T, m attachment.Attachment) []byte {
	t.Helper()
	var b struct {
		DSSEEnvelope struct{ Signatures []struct{ Sig []byte } }
	}
	switch m.Format {
	case attachment.Legacy:
		return must(base64.StdEncoding.DecodeString(m.Annotations[signatureAnnotation]))(t)
	case attachment.LegacyAttestation:
		return m.Content
	}
	if err := json.Unmarshal(m.Content, &b); err != nil {
		t.Fatal(err)
	}
	return b.DSSEEnvelope.Signatures[0].Sig
}

// withStamps replaces the timestamps; legacy material has one at most.
func withStamps(t *testing.T, m attachment.Attachment, stamps ...[]byte) attachment.Attachment {
	t.Helper()
	if m.Format != attachment.Bundle {
		return annotate(m, timestampAnnotation, string(must(json.Marshal(map[string]any{"SignedRFC3161Timestamp": stamps[0]}))(t)))
	}
	var list []any
	for _, stamp := range stamps {
		list = append(list, map[string]any{"signedTimestamp": stamp})
	}
	return bundleOf(edit(t, m.Content, func(b map[string]any) {
		at(b, "verificationMaterial")["timestampVerificationData"] = map[string]any{"rfc3161Timestamps": list}
	}))
}

func (a *tsa) stamp(t *testing.T, content []byte, at time.Time) []byte {
	t.Helper()
	return signStamp(t, content, at, a.leaf, a.key)
}

// signStamp makes a timestamp; the certificates are put beside the signer's.
func signStamp(t *testing.T, content []byte, at time.Time, by *x509.Certificate, key *ecdsa.PrivateKey, beside ...*x509.Certificate) []byte {
	t.Helper()
	sum := sha256.Sum256(content)
	response := timestamp.Timestamp{
		HashAlgorithm: crypto.SHA256, HashedMessage: sum[:], Time: at, Policy: asn1.ObjectIdentifier{1, 2, 3},
		AddTSACertificate: len(beside) > 0, Certificates: beside,
	}
	return must(response.CreateResponseWithOpts(by, key, crypto.SHA256))(t)
}
