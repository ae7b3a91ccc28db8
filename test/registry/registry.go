// Package registry is an OCI registry in process, on 127.0.0.1, that can be told to behave badly.
//
// It serves what clients push, and what the test attaches with the methods below. Those do not count as requests,
// need no credentials and meet no faults.
package registry

import (
	"crypto/tls"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"

	ggcr "github.com/google/go-containerregistry/pkg/registry"
)

// Options say what kind of registry it is. The zero value is an open one with the referrers API, over HTTP.
type Options struct {
	// NoReferrers answers 404 to the referrers API: clients fall back to the tag sha256-<hex> (OCI 1.0).
	NoReferrers bool
	// TLS serves HTTPS, with the certificate of CA.
	TLS bool
	// Clients, with TLS, is the CA that clients need a certificate of; nil lets all in.
	Clients *Authority
	// Auth is how clients log in, with Username and Password.
	Auth               Auth
	Username, Password string
}

// Registry is a running registry.
type Registry struct {
	options Options
	server  *httptest.Server
	backend http.Handler
	token   string

	attaching sync.Mutex // held while something is appended to what a tag holds

	mu       sync.Mutex
	requests []string
	faults   []faultRule
	pushed   map[string]int // manifest digest → when it was first pushed
}

// New starts a registry; Close stops it. It panics where no port can be had.
func New(options Options) *Registry {
	r := &Registry{
		options: options,
		backend: ggcr.New(ggcr.WithReferrersSupport(!options.NoReferrers), ggcr.Logger(quiet())),
		token:   newToken(),
		pushed:  map[string]int{},
	}
	r.server = httptest.NewUnstartedServer(http.HandlerFunc(r.serve))
	r.server.Config.ErrorLog = quiet() // faults abort connections on purpose
	if options.Clients != nil {
		r.server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: options.Clients.pool()}
	}
	if options.TLS {
		r.server.StartTLS()
	} else {
		r.server.Start()
	}
	return r
}

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// Close stops the registry, also in the middle of an answer.
func (r *Registry) Close() {
	r.server.CloseClientConnections()
	r.server.Close()
}

// Host is "127.0.0.1:PORT".
func (r *Registry) Host() string { return r.server.Listener.Addr().String() }

// CA is the PEM certificate that a client must trust; nil without TLS.
func (r *Registry) CA() []byte {
	if !r.options.TLS {
		return nil
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.server.Certificate().Raw})
}

// Requests are those that clients made since the start or the last Reset, in order of arrival, each as
// "GET /v2/acme/charts/podinfo/manifests/1.0.0". A refused or failed request counts too.
func (r *Registry) Requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests)
}

// Reset forgets the requests made so far.
func (r *Registry) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = nil
}

// serve is the way of a client's request: log, fault, credentials, content.
func (r *Registry) serve(w http.ResponseWriter, req *http.Request) {
	line := req.Method + " " + req.URL.Path
	r.mu.Lock()
	r.requests = append(r.requests, line)
	fault := r.fault(line)
	r.mu.Unlock()

	healthy := r.authenticate(http.HandlerFunc(r.content))
	if fault != nil {
		fault(w, req, healthy)
		return
	}
	healthy.ServeHTTP(w, req)
}

// content is the registry itself: go-containerregistry's, with a complete referrers answer.
func (r *Registry) content(w http.ResponseWriter, req *http.Request) {
	if req.Method == http.MethodGet && strings.Contains(req.URL.Path, "/referrers/") && !r.options.NoReferrers {
		r.referrers(w, req)
		return
	}
	r.backend.ServeHTTP(w, req)
	if digest := w.Header().Get("Docker-Content-Digest"); req.Method == http.MethodPut && digest != "" {
		r.mu.Lock()
		defer r.mu.Unlock()
		if _, known := r.pushed[digest]; !known {
			r.pushed[digest] = len(r.pushed)
		}
	}
}
