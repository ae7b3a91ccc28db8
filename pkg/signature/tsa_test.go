package signature_test

import (
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

	"github.com/digitorus/pkcs7"
	"github.com/digitorus/timestamp"

	"github.com/chartgate/chartgate/pkg/attachment"
)

// tsa is a timestamp authority of our own. Another got a certificate from its CA, for something
// else.
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

func stampIn(t *testing.T, m attachment.Attachment) []byte {
	t.Helper()
	var b map[string]any
	if err := json.Unmarshal(m.Content, &b); err != nil {
		t.Fatal(err)
	}
	stamp := at(b, "verificationMaterial", "timestampVerificationData", "rfc3161Timestamps", "0")["signedTimestamp"]
	return must(base64.StdEncoding.DecodeString(stamp.(string)))(t)
}

// impostor signs a timestamp with a certificate that is not the authority's, and puts the
// authority's own before it.
func impostor(t *testing.T, content []byte, when time.Time, authority, own *x509.Certificate, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	honest := must(timestamp.ParseResponse(signStamp(t, content, when, own, key)))(t)
	token := must(pkcs7.NewSignedData(must(pkcs7.Parse(honest.RawToken))(t).Content))(t)
	token.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	token.SetContentType(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4})
	token.AddCertificate(authority)
	if err := token.AddSigner(own, key, pkcs7.SignerInfoConfig{}); err != nil {
		t.Fatal(err)
	}
	type status struct{ Status int }
	return must(asn1.Marshal(struct {
		Status status
		Token  asn1.RawValue
	}{Token: asn1.RawValue{FullBytes: must(token.Finish())(t)}}))(t)
}
