package tuf

import (
	"crypto/x509"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
)

// Server is a mirror on 127.0.0.1. It is safe for concurrent use.
type Server struct {
	URL    string
	server *httptest.Server

	mu       sync.Mutex
	files    map[string][]byte
	faults   map[string]http.HandlerFunc
	requests []string
}

// Serve starts a mirror of these files.
func Serve(files map[string][]byte) *Server {
	s := &Server{files: files, faults: map[string]http.HandlerFunc{}}
	s.server = httptest.NewServer(http.HandlerFunc(s.serve))
	s.URL = s.server.URL
	return s
}

// ServeTLS is Serve over HTTPS, with a certificate that only clients of these CAs trust.
func ServeTLS(files map[string][]byte) (*Server, *x509.CertPool) {
	s := &Server{files: files, faults: map[string]http.HandlerFunc{}}
	s.server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.server.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that refuse the certificate
	s.server.StartTLS()
	s.URL = s.server.URL
	cas := x509.NewCertPool()
	cas.AddCert(s.server.Certificate())
	return s, cas
}

// Close stops the server. It does not wait for answers that go on.
func (s *Server) Close() {
	s.server.CloseClientConnections()
	s.server.Close()
}

// Show replaces the files.
func (s *Server) Show(files map[string][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files = files
}

// Fail lets answers to requests whose path ends so come from elsewhere; nil mends it. "" is every path.
func (s *Server) Fail(suffix string, answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if answer == nil {
		delete(s.faults, suffix)
		return
	}
	s.faults[suffix] = answer
}

// Requests are the paths that were asked for so far.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

func (s *Server) serve(w http.ResponseWriter, req *http.Request) {
	answer := s.answer(strings.TrimPrefix(req.URL.Path, "/"))
	answer(w, req)
}

func (s *Server) answer(path string) http.HandlerFunc {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, path)
	for _, suffix := range slices.Sorted(maps.Keys(s.faults)) {
		if strings.HasSuffix(path, suffix) {
			return s.faults[suffix]
		}
	}
	content, found := s.files[path]
	if !found {
		return http.NotFound
	}
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) }
}
