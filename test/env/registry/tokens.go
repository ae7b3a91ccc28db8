package registryserver

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

const (
	tokenIssuer   = "test token service"
	tokenAudience = "test registry"
)

// TokenService gives tokens for a registry to one user, as specified in
// https://distribution.github.io/distribution/spec/auth/jwt/: for any scope, since that user may do
// everything.
type TokenService struct {
	server             *httptest.Server
	key                ed25519.PrivateKey
	username, password string

	mu     sync.Mutex
	scopes []string
}

// NewTokenService starts one with that certificate; Close stops it. It panics if no port is free.
func NewTokenService(certificate registrytest.Pair, username, password string) *TokenService {
	pair, err := tls.X509KeyPair(certificate.Certificate, certificate.Key)
	if err != nil {
		panic(err)
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	s := &TokenService{key: key, username: username, password: password}
	s.server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	s.server.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that do not trust it hang up
	s.server.StartTLS()
	return s
}

// Close stops the service.
func (s *TokenService) Close() { s.server.Close() }

// URL is the realm. It has a host name, since clients do not accept realms at private addresses.
func (s *TokenService) URL() string {
	return strings.Replace(s.server.URL, "127.0.0.1", "localhost", 1) + "/token"
}

// Scopes are those for which tokens were issued.
func (s *TokenService) Scopes() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.scopes...)
}

func (s *TokenService) serve(w http.ResponseWriter, req *http.Request) {
	username, password, _ := req.BasicAuth()
	if username != s.username || password != s.password {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	type grant struct {
		Type    string   `json:"type"`
		Name    string   `json:"name"`
		Actions []string `json:"actions"`
	}
	grants := []grant{}
	for _, asked := range req.URL.Query()["scope"] {
		for scope := range strings.FieldsSeq(asked) {
			if parts := strings.Split(scope, ":"); len(parts) == 3 {
				grants = append(grants, grant{parts[0], parts[1], strings.Split(parts[2], ",")})
			}
			s.mu.Lock()
			s.scopes = append(s.scopes, scope)
			s.mu.Unlock()
		}
	}
	now := time.Now()
	token := s.sign(map[string]any{
		"iss": tokenIssuer, "aud": tokenAudience, "sub": username, "jti": rand.Text(), "access": grants,
		"iat": now.Unix(), "nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(time.Hour).Unix(),
	})
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{"token": token, "access_token": token})
}

func (s *TokenService) sign(claims any) string {
	content := encoded(map[string]string{"alg": "EdDSA", "typ": "JWT", "kid": "1"}) + "." + encoded(claims)
	return content + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(s.key, []byte(content)))
}

// keys is the JSON Web Key Set that the registry trusts.
func (s *TokenService) keys() []byte {
	public, _ := s.key.Public().(ed25519.PublicKey)
	raw, err := json.Marshal(map[string]any{"keys": []map[string]string{{
		"kty": "OKP", "crv": "Ed25519", "kid": "1", "alg": "EdDSA", "use": "sig", "x": base64.RawURLEncoding.EncodeToString(public),
	}}})
	if err != nil {
		panic(err)
	}
	return raw
}

func encoded(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}
