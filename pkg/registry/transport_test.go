package registry_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

// elsewhere is another server. It records the credentials that reach it.
type elsewhere struct {
	*httptest.Server
	mu   sync.Mutex
	seen []string
}

func newElsewhere(t *testing.T, secure bool, answer http.HandlerFunc) *elsewhere {
	t.Helper()
	e := &elsewhere{}
	e.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		e.mu.Lock()
		e.seen = append(e.seen, req.Header.Get("Authorization"))
		e.mu.Unlock()
		answer(w, req)
	}))
	if secure {
		e.StartTLS()
	} else {
		e.Start()
	}
	t.Cleanup(e.Close)
	return e
}

func (e *elsewhere) host() string { return e.Listener.Addr().String() }

// TestRedirectWithoutCredentials: a redirect may lead to another host, which does not get the
// credentials, also if it asks for them.
func TestRedirectWithoutCredentials(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		auth   registrytest.Auth
		answer http.HandlerFunc
		found  []string
	}{
		"a storage": {registrytest.Basic, func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "bundle") }, []string{"bundle: bundle"}},
		"a storage, with a token": {registrytest.Bearer, func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "bundle") },
			[]string{"bundle: bundle"}},
		"a thief": {registrytest.Basic, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(401)
		}, nil},
		"a thief, of tokens": {registrytest.Bearer, func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+req.Host+`/token"`)
			w.WriteHeader(401)
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, registrytest.Options{Auth: tc.auth, Username: "user", Password: "hunter2"})
			s.bundle(t, "bundle", nil)
			e := newElsewhere(t, false, tc.answer)
			s.Fail("/blobs/", func(w http.ResponseWriter, req *http.Request, healthy http.Handler) {
				if req.Header.Get("Authorization") == "" {
					healthy.ServeHTTP(w, req)
					return
				}
				answer(307, "Location: "+e.URL+"/x")(w, req, healthy)
			})
			options := s.options(t, "user", "hunter2")
			options.PlainHTTP = append(options.PlainHTTP, e.host())
			c := registry.New(options)
			found, _ := collect(t.Context(), t, c, s.resolved(t))
			equal(t, tc.found, contents(found))
			equal(t, []string{""}, e.seen)
		})
	}
}

// TestPlainHTTPRefused: no packet goes over plain HTTP to the target of a redirect or to a token
// service if the admin does not allow it for the host.
func TestPlainHTTPRefused(t *testing.T) {
	t.Parallel()
	const refused = `the registry sends chartgate to "ELSEWHERE" over plain HTTP, which is refused`
	for name, tc := range map[string]struct {
		secure bool
		named  bool
		how    func(e *elsewhere) registrytest.Fault
		want   string
	}{
		"a redirect":            {how: redirectTo, want: refused},
		"a redirect from HTTPS": {secure: true, how: redirectTo, want: "the registry redirects from HTTPS to plain HTTP, which is refused"},
		"a redirect from HTTPS to a host that may otherwise": {secure: true, named: true, how: redirectTo, want: "the registry redirects from HTTPS to plain HTTP, which is refused"},
		"a token service":                      {how: tokenAt, want: refused},
		"a token service of an HTTPS registry": {secure: true, named: true, how: tokenAt, want: "the request failed; chartgate's log has the cause"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, registrytest.Options{TLS: tc.secure})
			e := newElsewhere(t, false, func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, `{"token":"x"}`) })
			s.Fail("/manifests/", tc.how(e))
			options := s.options(t, "user", "hunter2")
			if tc.named {
				options.PlainHTTP = append(options.PlainHTTP, e.host())
			}
			_, err := registry.New(options).Resolve(t.Context(), reference(t, s, "CHART:1.0.0"), sourceauth.Auth{})
			equal(t, outcome{Kind: problem.KindUnavailable, Detail: s.text("CHART:1.0.0 could not be read: " + strings.ReplaceAll(tc.want, "ELSEWHERE", e.host()))}, outcomeOf(t, err))
			equal(t, 0, len(e.seen))
		})
	}
}

func redirectTo(e *elsewhere) registrytest.Fault { return answer(307, "Location: "+e.URL+"/x") }

func tokenAt(e *elsewhere) registrytest.Fault {
	return answer(401, `WWW-Authenticate: Bearer realm="`+e.URL+`/token"`)
}

// TestStorageIsDown: the error names the host that failed.
func TestStorageIsDown(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := l.Addr().String()
	_ = l.Close()
	s.Fail("/manifests/", answer(307, "Location: http://"+host+"/x?signature=secret"))
	options := s.options(t, "", "")
	options.PlainHTTP = append(options.PlainHTTP, host)
	_, err = registry.New(options).Resolve(t.Context(), reference(t, s, "CHART:1.0.0"), sourceauth.Auth{})
	equal(t, s.text(`CHART:1.0.0 could not be read: connection refused (at "`+host+`", to which the registry refers)`), outcomeOf(t, err).Detail)
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the log learns the storage's secret: %v", err)
	}
}

// TestHeader: chartgate says who it is, wants nothing compressed, asks for
// manifests as helm does, and for long pages of tags.
func TestHeader(t *testing.T) {
	t.Parallel()
	s := newShelf(t, registrytest.Options{})
	s.Fail("", func(w http.ResponseWriter, req *http.Request, healthy http.Handler) {
		equal(t, "chartgate", req.Header.Get("User-Agent"))
		equal(t, []string{"identity"}, req.Header.Values("Accept-Encoding"))
		if strings.Contains(req.URL.Path, "/manifests/") {
			equal(t, "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, "+
				"application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, application/vnd.oci.artifact.manifest.v1+json", req.Header.Get("Accept"))
		} else {
			equal(t, "n=1000", req.URL.RawQuery)
		}
		healthy.ServeHTTP(w, req)
	})
	if _, err := s.client().Resolve(t.Context(), reference(t, s, "FLUX 1.x"), sourceauth.Auth{}); err != nil {
		t.Fatal(err)
	}
}

// TestRedirectTwice is the attack in which a storage sends chartgate on within itself:
// net/http then sends again what was taken off at the first redirect.
func TestRedirectTwice(t *testing.T) {
	t.Parallel()
	for _, auth := range []registrytest.Auth{registrytest.Basic, registrytest.Bearer} {
		s := newShelf(t, registrytest.Options{Auth: auth, Username: "user", Password: "hunter2"})
		s.bundle(t, "bundle", nil)
		e := newElsewhere(t, false, func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Path == "/1" {
				http.Redirect(w, req, "/2", http.StatusTemporaryRedirect)
				return
			}
			_, _ = fmt.Fprint(w, "bundle")
		})
		s.Fail("/blobs/", func(w http.ResponseWriter, req *http.Request, healthy http.Handler) {
			if req.Header.Get("Authorization") == "" {
				healthy.ServeHTTP(w, req)
				return
			}
			answer(307, "Location: "+e.URL+"/1")(w, req, healthy)
		})
		options := s.options(t, "user", "hunter2")
		options.PlainHTTP = append(options.PlainHTTP, e.host())
		found, _ := collect(t.Context(), t, registry.New(options), s.resolved(t))
		equal(t, []string{"bundle: bundle"}, contents(found))
		equal(t, []string{"", ""}, e.seen)
	}
}
