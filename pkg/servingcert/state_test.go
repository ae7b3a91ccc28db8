package servingcert

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"maps"
	"math/big"
	"testing"
	"time"
)

const dnsName = "chartgate.chartgate-system.svc"

var begin = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)

// after returns what the Secret holds once it was looked at by a replica that served something.
func after(t *testing.T, data map[string][]byte, now time.Time, served state) (map[string][]byte, time.Duration) {
	t.Helper()
	var known []*x509.Certificate
	if ca := served.signing.certificate; ca != nil {
		known = append(known, ca)
	}
	s, pause, err := parse(data).next(dnsName, now, known)
	if err != nil {
		t.Fatal(err)
	}
	if !s.serves(dnsName, now, append(s.trusted, s.signing.certificate)...) {
		t.Fatal("the serving certificate is not proven by an announced CA")
	}
	encoded, err := s.encode()
	if err != nil {
		t.Fatal(err)
	}
	return encoded, pause
}

// TestNext: what is made again, and what is kept.
func TestNext(t *testing.T) {
	good, _ := after(t, nil, begin, state{})
	other, _ := after(t, nil, begin, state{})
	byOther, err := authority{parse(other).signing.certificate, parse(other).signing.key}.issue(dnsName, begin)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, err := parse(good).signing.issue("other.svc", begin)
	if err != nil {
		t.Fatal(err)
	}
	with := func(changes map[string][]byte) map[string][]byte {
		data := maps.Clone(good)
		maps.Copy(data, changes)
		return data
	}
	serving := func(certificate tls.Certificate) map[string][]byte {
		s := parse(good)
		s.serving = certificate
		data, err := s.encode()
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	for _, tc := range []struct {
		sentence       string
		data           map[string][]byte
		at             time.Time
		newCA, newLeaf bool
	}{
		{"an empty Secret", nil, begin, true, true},
		{"nothing is due", good, begin.Add(24 * time.Hour), false, false},
		{"what chartgate does not know stays", with(map[string][]byte{"note": []byte("x")}), begin, false, false},
		{"the last day before the renewal", good, begin.Add(servingLife - renewBefore - time.Hour), false, false},
		{"the serving certificate ends in 90 days", good, begin.Add(servingLife - renewBefore + time.Hour), false, true},
		{"it has ended", good, begin.Add(servingLife + time.Hour), false, true},
		{"the serving key is another one", with(map[string][]byte{servingKeyItem: other[servingKeyItem]}), begin, false, true},
		{"no serving certificate", with(map[string][]byte{servingItem: nil}), begin, false, true},
		{"a serving certificate that cannot be read", with(map[string][]byte{servingItem: []byte("x")}), begin, false, true},
		{"a serving certificate of another CA", serving(byOther), begin, false, true},
		{"a serving certificate for another name", serving(elsewhere), begin, false, true},
		{"the CA's key is another one", with(map[string][]byte{authorityKeyItem: other[authorityKeyItem]}), begin, true, true},
		{"the CA's key is missing", with(map[string][]byte{authorityKeyItem: nil}), begin, true, true},
		{"the CA is missing", with(map[string][]byte{authorityItem: nil}), begin, true, true},
		{"the CA is no CA", with(map[string][]byte{authorityItem: good[servingItem], authorityKeyItem: good[servingKeyItem]}), begin, true, true},
		{"the CA has ended", good, begin.Add(authorityLife + time.Hour), true, true},
		{"the clock is before both", good, begin.Add(-48 * time.Hour), true, true},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			old := parse(tc.data)
			got, pause := after(t, tc.data, tc.at, state{})
			s := parse(got)
			if newCA := old.signing.certificate == nil || !old.signing.certificate.Equal(s.signing.certificate); newCA != tc.newCA {
				t.Errorf("a new CA: %v", newCA)
			}
			if newLeaf := !sameLeaf(old, s); newLeaf != tc.newLeaf {
				t.Errorf("a new serving certificate: %v", newLeaf)
			}
			if !s.signing.signs(tc.at.Add(renewBefore)) || len(s.trusted) > 0 || pause <= 0 || pause > lookAgain {
				t.Errorf("signing: %v, trusted: %d, look again in %s", s.signing.signs(tc.at), len(s.trusted), pause)
			}
			if again, _ := after(t, got, tc.at, state{}); !holds(got, again) {
				t.Error("a second look changes it again")
			}
		})
	}
}

// TestCAChanges: the API server trusts the certificate that is served at each moment of the change
// to a new CA.
func TestCAChanges(t *testing.T) {
	first, _ := after(t, nil, begin, state{})
	// A serving certificate that goes on for long enough to outlive the steps.
	due := begin.Add(authorityLife - renewBefore + time.Hour)
	first, _ = after(t, first, due.Add(-servingLife/2), state{})
	old := parse(first)

	announced, pause := after(t, first, due, old)
	s := parse(announced)
	if s.signing.certificate.Equal(old.signing.certificate) || len(s.trusted) != 1 || !s.trusted[0].Equal(old.signing.certificate) || !sameLeaf(s, old) {
		t.Fatal("the new CA is not announced beside the old one, or signs too early")
	}
	if pause != spread {
		t.Errorf("it signs in %s", pause)
	}
	if early, _ := after(t, announced, due.Add(spread-time.Second), old); !holds(announced, early) {
		t.Error("a change before the CA is announced for long enough")
	}
	signed, pause := after(t, announced, due.Add(spread), old)
	if s = parse(signed); sameLeaf(s, old) || len(s.trusted) != 1 || s.serving.Leaf.CheckSignatureFrom(s.signing.certificate) != nil {
		t.Fatal("the new CA does not sign, or the old one is forgotten at once")
	}
	if pause != overlap {
		t.Errorf("the old CA is forgotten in %s", pause)
	}
	if s = parse(must(after(t, signed, due.Add(spread+overlap-time.Second), s))); len(s.trusted) != 1 {
		t.Error("the old CA is forgotten too early")
	}
	if s = parse(must(after(t, signed, due.Add(spread+overlap), s))); len(s.trusted) != 0 {
		t.Error("the old CA is trusted for ever")
	}
}

// TestLostSecret: where the Secret has lost its CA, the one by which this replica is served stays
// trusted for a while, and its key does not come back.
func TestLostSecret(t *testing.T) {
	first, _ := after(t, nil, begin, state{})
	old := parse(first)
	repaired, pause := after(t, nil, begin.Add(time.Hour), old)
	s := parse(repaired)
	if s.signing.certificate.Equal(old.signing.certificate) || sameLeaf(s, old) || len(s.trusted) != 1 || !s.trusted[0].Equal(old.signing.certificate) {
		t.Fatal("not a new CA beside the old one")
	}
	if string(repaired[authorityKeyItem]) == string(first[authorityKeyItem]) || pause != overlap {
		t.Errorf("the old key came back, or the old CA stays for %s", pause)
	}
	if s = parse(must(after(t, repaired, begin.Add(time.Hour+overlap), s))); len(s.trusted) != 0 {
		t.Error("the old CA is trusted for ever")
	}
}

// TestOlderSecrets: what open-policy-agent/cert-controller has written, as chartgate used it at
// first, is kept.
func TestOlderSecrets(t *testing.T) {
	key := func() *rsa.PrivateKey {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	ca, serving := key(), key()
	template := func(name string) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(0), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
			NotBefore: begin.Add(-time.Hour), NotAfter: begin.Add(servingLife),
			KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, BasicConstraintsValid: true,
		}
	}
	root, leaf := template("chartgate-ca"), template(dnsName)
	root.KeyUsage |= x509.KeyUsageCertSign
	root.IsCA, leaf.ExtKeyUsage = true, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	certificate := func(template *x509.Certificate, public *rsa.PrivateKey) []byte {
		der, err := x509.CreateCertificate(rand.Reader, template, root, public.Public(), ca)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	private := func(key *rsa.PrivateKey) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	}
	data := map[string][]byte{
		authorityItem: certificate(root, ca), authorityKeyItem: private(ca), servingItem: certificate(leaf, serving), servingKeyItem: private(serving),
	}
	if got, _ := after(t, data, begin, state{}); !holds(data, got) {
		t.Error("it is written again")
	}
}

func must(data map[string][]byte, _ time.Duration) map[string][]byte { return data }
