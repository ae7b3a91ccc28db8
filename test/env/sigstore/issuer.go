package sigstore

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"
)

// Issuer is an OIDC provider on 127.0.0.1. It serves three issuers, each at its own path, and gives
// every test a token for any identity.
type Issuer struct {
	server *httptest.Server
	key    *rsa.PrivateKey
}

// The issuers, as paths: two that know people by their email addresses, and one that knows
// workflows of GitHub Actions.
const (
	company   = "/company"
	freemail  = "/freemail"
	workflows = "/workflows"
)

// Identity is a user that an issuer knows: the issuer and the subject as Fulcio puts them into the
// certificate.
type Identity struct {
	Issuer, Subject string
	claims          map[string]any // of the token
}

// NewIssuer starts an issuer; Close stops it. It panics if no port is free.
func NewIssuer() (*Issuer, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	i := &Issuer{key: key}
	mux := http.NewServeMux()
	for _, path := range []string{company, freemail, workflows} {
		mux.HandleFunc("GET "+path+"/.well-known/openid-configuration", i.discovery(path))
		mux.HandleFunc("GET "+path+"/keys", i.keys)
	}
	i.server = httptest.NewServer(mux)
	return i, nil
}

// Close stops the issuer.
func (i *Issuer) Close() { i.server.Close() }

// Employee is a user with that email address at the company's issuer.
func (i *Issuer) Employee(email string) Identity { return i.person(company, email) }

// Freemailer is a user with the same email address at another issuer.
func (i *Issuer) Freemailer(email string) Identity { return i.person(freemail, email) }

func (i *Issuer) person(path, email string) Identity {
	return Identity{Issuer: i.server.URL + path, Subject: email, claims: map[string]any{
		"sub": "user 4711", "email": email, "email_verified": true,
	}}
}

// Workflow is a run of GitHub Actions in the repository "acme/charts". The definition is that of
// the job ("acme/charts/.github/workflows/release.yaml@refs/heads/main"), which may lie in another
// repository.
func (i *Issuer) Workflow(repository, definition string) Identity {
	owner, _, _ := strings.Cut(repository, "/")
	return Identity{
		Issuer: i.server.URL + workflows, Subject: "https://github.com/" + definition,
		claims: map[string]any{
			"sub": "repo:" + repository + ":ref:refs/heads/main", "repository": repository, "repository_owner": owner,
			"job_workflow_ref": definition, "job_workflow_sha": commit, "workflow_ref": definition, "workflow_sha": commit,
			"workflow": "release", "event_name": "push", "ref": "refs/heads/main", "sha": commit,
			"repository_id": "1", "repository_owner_id": "2", "repository_visibility": "public",
			"runner_environment": "github-hosted", "run_id": "3", "run_attempt": "1",
		},
	}
}

const commit = "4f2d1c9a0b8e7d6c5b4a39281706f5e4d3c2b1a0"

// token is what a Sigstore client would get for the identity, valid for an hour: a release is built between the token and
// its use.
func (i *Issuer) token(of Identity) (string, error) {
	now := time.Now()
	claims := map[string]any{
		"iss": of.Issuer, "aud": audience, "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	for name, value := range of.claims {
		claims[name] = value
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed := encoded([]byte(`{"alg":"RS256","kid":"1","typ":"JWT"}`)) + "." + encoded(payload)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(nil, i.key, crypto.SHA256, sum[:])
	return signed + "." + encoded(signature), err
}

// audience is Sigstore's client ID, for which every issuer issues tokens.
const audience = "sigstore"

func (i *Issuer) discovery(path string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		issuer := i.server.URL + path
		answer(w, map[string]any{
			"issuer": issuer, "jwks_uri": issuer + "/keys",
			"authorization_endpoint": issuer + "/auth", "token_endpoint": issuer + "/token",
			"response_types_supported": []string{"id_token"}, "subject_types_supported": []string{"public"},
			"id_token_signing_alg_values_supported": []string{"RS256"},
		})
	}
}

func (i *Issuer) keys(w http.ResponseWriter, _ *http.Request) {
	answer(w, map[string]any{"keys": []any{map[string]any{
		"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1",
		"n": encoded(i.key.N.Bytes()), "e": encoded(big.NewInt(int64(i.key.E)).Bytes()),
	}}})
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}

func encoded(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
