package registry

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"
)

// Auth is how a registry wants to be asked.
type Auth int

const (
	// Open asks for nothing.
	Open Auth = iota
	// Basic wants user name and password with every request.
	Basic
	// Bearer wants a token from GET /token, which gives one for the user name and password. Where the registry
	// has neither, it gives one to anybody, as public registries do.
	Bearer
)

func newToken() string { return rand.Text() }

// authenticate lets requests with credentials through to next.
func (r *Registry) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch {
		case r.options.Auth == Bearer && req.URL.Path == "/token":
			r.giveToken(w, req)
		case r.authenticated(req):
			next.ServeHTTP(w, req)
		default:
			w.Header().Set("WWW-Authenticate", r.challenge(req))
			writeError(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
		}
	})
}

func (r *Registry) authenticated(req *http.Request) bool {
	switch r.options.Auth {
	case Open:
		return true
	case Bearer:
		return req.Header.Get("Authorization") == "Bearer "+r.token
	default:
		return r.loggedIn(req)
	}
}

func (r *Registry) loggedIn(req *http.Request) bool {
	username, password, ok := req.BasicAuth()
	return ok && username == r.options.Username && password == r.options.Password
}

func (r *Registry) challenge(req *http.Request) string {
	if r.options.Auth == Basic {
		return `Basic realm="registry"`
	}
	scheme, _, _ := strings.Cut(r.server.URL, "://")
	challenge := `Bearer realm="` + scheme + "://" + req.Host + `/token",service="` + r.Host() + `"` // by the name that the client knows
	if repo, _, ok := splitPath(req.URL.Path); ok {
		challenge += `,scope="repository:` + repo + `:pull"`
	}
	return challenge
}

func (r *Registry) giveToken(w http.ResponseWriter, req *http.Request) {
	anybody := r.options.Username == "" && r.options.Password == ""
	if !anybody && !r.loggedIn(req) {
		writeError(w, http.StatusUnauthorized, "UNAUTHORIZED", "wrong user name or password")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{"token": r.token})
}

func writeError(w http.ResponseWriter, status int, code, message string) {
	type entry struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string][]entry{"errors": {{code, message}}})
}
