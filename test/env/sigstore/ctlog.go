package sigstore

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"time"

	ct "github.com/google/certificate-transparency-go"
	"github.com/google/certificate-transparency-go/tls"
)

// ctlog is the certificate transparency log to which Fulcio shows every certificate before it
// issues it (RFC 6962, section 4.2). It promises inclusion, as a signed certificate timestamp, and
// keeps nothing, because no client verifies more than the promise. Fulcio verifies it before it
// puts it into the certificate.
type ctlog struct {
	server *httptest.Server
	key    *ecdsa.PrivateKey
	id     [sha256.Size]byte
	pem    []byte // the public key
}

func newCTLog() (*ctlog, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	l := &ctlog{key: key, id: sha256.Sum256(der)}
	if l.pem, err = publicPEM(key.Public()); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+ct.AddPreChainPath, l.addPreChain)
	l.server = httptest.NewServer(mux)
	return l, nil
}

func (l *ctlog) url() string { return l.server.URL }
func (l *ctlog) close()      { l.server.Close() }

func (l *ctlog) addPreChain(w http.ResponseWriter, r *http.Request) {
	var request ct.AddChainRequest
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	promise, err := l.promise(request.Chain, uint64(time.Now().UnixMilli()))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer(w, promise)
}

// promise signs that the precertificate, the first of the chain, will be in the log.
func (l *ctlog) promise(chain [][]byte, at uint64) (*ct.AddChainResponse, error) {
	certificates := make([]ct.ASN1Cert, len(chain))
	for i, der := range chain {
		certificates[i] = ct.ASN1Cert{Data: der}
	}
	leaf, err := ct.MerkleTreeLeafFromRawChain(certificates, ct.PrecertLogEntryType, at)
	if err != nil {
		return nil, err
	}
	promised := ct.SignedCertificateTimestamp{SCTVersion: ct.V1, LogID: ct.LogID{KeyID: l.id}, Timestamp: at}
	input, err := ct.SerializeSCTSignatureInput(promised, ct.LogEntry{Leaf: *leaf})
	if err != nil {
		return nil, err
	}
	signature, err := tls.CreateSignature(*l.key, tls.SHA256, input)
	if err != nil {
		return nil, err
	}
	raw, err := tls.Marshal(signature)
	return &ct.AddChainResponse{SCTVersion: ct.V1, ID: l.id[:], Timestamp: at, Signature: raw}, err
}
