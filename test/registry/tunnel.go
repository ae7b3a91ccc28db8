package registry

import (
	"io"
	"net"
	"net/http"
	"net/url"
)

// Tunnel is an HTTP proxy that only does CONNECT. It wants a login unless that is nil; dial says where a host is, and
// hears of each that is asked for.
func Tunnel(login *url.Userinfo, dial func(host string) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !mayPass(req, login) {
			w.Header().Set("Proxy-Authenticate", "Basic")
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		if req.Method != http.MethodConnect {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		far, err := net.Dial("tcp", dial(req.Host))
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer func() { _ = far.Close() }()
		w.WriteHeader(http.StatusOK)
		near, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = near.Close() }()
		go func() {
			_, _ = io.Copy(far, buffered)
			_ = far.Close()
		}()
		_, _ = io.Copy(near, far)
	})
}

func mayPass(req *http.Request, login *url.Userinfo) bool {
	if login == nil {
		return true
	}
	shown := http.Request{Header: http.Header{"Authorization": req.Header["Proxy-Authorization"]}}
	username, password, ok := shown.BasicAuth()
	expected, _ := login.Password()
	return ok && username == login.Username() && password == expected
}
