package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"

	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

// recordingProxy is an HTTP proxy with a login, which keeps what passes. It can lead to the attacker, a server that has a
// certificate for 127.0.0.1, wants a login, and keeps what it is told.
type recordingProxy struct {
	*httptest.Server
	attacker *httptest.Server
	ca       *registrytest.Authority

	mu    sync.Mutex
	lies  bool     // lead to the attacker
	dials []string // hosts that were asked for
	told  []string // what the attacker got: request lines and credentials
}

func newRecordingProxy() *recordingProxy {
	p := &recordingProxy{ca: registrytest.NewAuthority()}
	p.Server = httptest.NewServer(registrytest.Tunnel(url.UserPassword("proxy", proxyPassword), p.dial))
	p.attacker = serveTLS(p.ca, http.HandlerFunc(p.listen))
	return p
}

func (p *recordingProxy) Host() string { return p.Listener.Addr().String() }

func (p *recordingProxy) dial(host string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dials = append(p.dials, host)
	if p.lies {
		return p.attacker.Listener.Addr().String()
	}
	return host
}

// listen wants a login, and repeats what it got wherever an answer can hold it.
func (p *recordingProxy) listen(w http.ResponseWriter, r *http.Request) {
	shown := r.Header.Get("Authorization")
	p.mu.Lock()
	p.told = append(p.told, r.Method+" "+r.URL.Path+" "+shown)
	p.mu.Unlock()
	_, password, _ := r.BasicAuth()
	w.Header().Set("WWW-Authenticate", `Basic realm="`+password+shown+`"`)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = fmt.Fprintf(w, `{"errors": [{"code": "UNAUTHORIZED", "message": %q}]}`, password+shown)
}

// Close stops both servers.
func (p *recordingProxy) Close() {
	p.Server.CloseClientConnections()
	p.Server.Close()
	p.attacker.Close()
}

// during returns what happened during a function, while the proxy lies.
func (p *recordingProxy) during(f func()) (dials, told []string) {
	p.mu.Lock()
	p.lies, p.dials, p.told = true, nil, nil
	p.mu.Unlock()
	f()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lies = false
	return p.dials, p.told
}

// The objects of rows.
