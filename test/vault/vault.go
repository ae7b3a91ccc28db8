// Package vault is the part of HashiCorp Vault's HTTP API that signing and verifying with a transit key needs: to read a
// key with its versions and to sign. It is written after the API's documentation
// (https://developer.hashicorp.com/vault/api-docs/secret/transit); its clients, cosign and Vault's own Go client, are
// the real ones.
package vault

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
)

// Vault is a server on this machine with the transit engine at its usual path.
type Vault struct {
	server *httptest.Server
	token  string

	mu    sync.Mutex
	keys  map[string]*key
	down  bool
	hangs bool
	reads int
}

type key struct {
	kind     string
	minimum  int             // the version from which on keys may verify
	versions []crypto.Signer // the first is version 1
}

// New starts a Vault whose only token may do everything.
func New(token string) *Vault {
	v := &Vault{token: token, keys: map[string]*key{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { refuse(w, http.StatusNotFound) })
	mux.HandleFunc("GET /v1/transit/keys/{name}", v.read)
	mux.HandleFunc("PUT /v1/transit/sign/{name}", v.sign)
	mux.HandleFunc("PUT /v1/transit/sign/{name}/{hash}", v.sign)
	v.server = httptest.NewServer(v.guard(mux))
	return v
}

// URL is what VAULT_ADDR should be.
func (v *Vault) URL() string { return v.server.URL }

// Close stops the server.
func (v *Vault) Close() {
	v.server.CloseClientConnections()
	v.server.Close()
}

// Down lets the server drop every connection, or no longer.
func (v *Vault) Down(down bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.down = down
}

// Hang lets the server take requests and not answer them, or no longer.
func (v *Vault) Hang(hangs bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.hangs = hangs
}

// Reads is how often keys were asked for.
func (v *Vault) Reads() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.reads
}

// Create makes a key of a kind of Vault's: ecdsa-p256, ecdsa-p384, ed25519, rsa-2048 or aes256-gcm96, which has no public
// half.
func (v *Vault) Create(name, kind string) error {
	v.mu.Lock()
	v.keys[name] = &key{kind: kind, minimum: 1}
	v.mu.Unlock()
	return v.Rotate(name)
}

// Rotate adds a version.
func (v *Vault) Rotate(name string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	k := v.keys[name]
	version, err := generate(k.kind)
	k.versions = append(k.versions, version)
	return err
}

// Minimum sets min_decryption_version: older versions verify no longer.
func (v *Vault) Minimum(name string, version int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.keys[name].minimum = version
}

// Delete deletes a key.
func (v *Vault) Delete(name string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.keys, name)
}

func generate(kind string) (crypto.Signer, error) {
	switch kind {
	case "ecdsa-p256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ecdsa-p384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ed25519":
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	case "rsa-2048":
		return rsa.GenerateKey(rand.Reader, 2048)
	case "aes256-gcm96":
		return nil, nil
	default:
		return nil, fmt.Errorf("a key of type %q", kind)
	}
}

// guard answers those without the token, and nobody while the server is down.
func (v *Vault) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.mu.Lock()
		down, hangs := v.down, v.hangs
		v.mu.Unlock()
		switch {
		case down:
			panic(http.ErrAbortHandler)
		case hangs:
			<-r.Context().Done()
		case r.Header.Get("X-Vault-Token") != v.token:
			refuse(w, http.StatusForbidden, "permission denied")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func refuse(w http.ResponseWriter, code int, errors ...string) {
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": append([]string{}, errors...)})
}

func answer(w http.ResponseWriter, data map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"request_id": "1", "data": data})
}

func (v *Vault) read(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.reads++
	k, is := v.keys[r.PathValue("name")]
	if !is {
		refuse(w, http.StatusNotFound)
		return
	}
	// Vault archives versions below the minimum, and does not show them; with them a client has to look.
	versions := map[string]any{}
	for i := range k.versions {
		version, err := public(k.kind, k.versions[i])
		if err != nil {
			refuse(w, http.StatusInternalServerError, err.Error())
			return
		}
		versions[fmt.Sprint(i+1)] = version
	}
	answer(w, map[string]any{
		"name": r.PathValue("name"), "type": k.kind, "keys": versions,
		"latest_version": len(k.versions), "min_decryption_version": k.minimum, "min_encryption_version": 0,
	})
}

// public is a version of a key as the API shows it.
func public(kind string, version crypto.Signer) (any, error) {
	const created = "2026-01-01T00:00:00Z"
	switch key := version.(type) {
	case nil:
		return 1767225600, nil
	case ed25519.PrivateKey:
		text := base64.StdEncoding.EncodeToString(key.Public().(ed25519.PublicKey))
		return map[string]any{"name": kind, "public_key": text, "creation_time": created}, nil
	default:
		der, err := x509.MarshalPKIXPublicKey(version.Public())
		text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		return map[string]any{"name": strings.TrimPrefix(kind, "ecdsa-"), "public_key": string(text), "creation_time": created}, err
	}
}

// sign signs with the newest version. RSA signatures are PKCS #1 v1.5, which is what cosign asks for.
func (v *Vault) sign(w http.ResponseWriter, r *http.Request) {
	var request struct {
		Input     []byte `json:"input"`
		Prehashed bool   `json:"prehashed"`
	}
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	k, is := v.keys[r.PathValue("name")]
	if !is {
		refuse(w, http.StatusBadRequest, "signing key not found")
		return
	}
	newest := k.versions[len(k.versions)-1]
	hashes := map[string]crypto.Hash{"sha2-256": crypto.SHA256, "sha2-384": crypto.SHA384, "sha2-512": crypto.SHA512}
	options := hashes[r.PathValue("hash")]
	if _, plain := newest.(ed25519.PrivateKey); plain && !request.Prehashed {
		options = crypto.Hash(0)
	}
	signature, err := newest.Sign(rand.Reader, request.Input, options)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	answer(w, map[string]any{
		"signature": fmt.Sprintf("vault:v%d:%s", len(k.versions), base64.StdEncoding.EncodeToString(signature)), "key_version": len(k.versions),
	})
}
