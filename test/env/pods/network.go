package pods

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// Network brings the API server's connections from the Service's address to a pod that is ready, as kube-proxy does. The API
// server knows it as a proxy to the cluster's network (EgressSelectorConfiguration), so the Service and the webhooks stay as the
// chart has them.
type Network struct {
	dir    string
	server *http.Server

	mu   sync.Mutex
	pods []string
}

// NewNetwork starts a network. Close stops it.
func NewNetwork() (*Network, error) {
	// Not below the test's folder: the path of a socket is short.
	dir, err := os.MkdirTemp("", "network-")
	if err != nil {
		return nil, err
	}
	n := &Network{dir: dir}
	listener, err := net.Listen("unix", n.socket())
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	n.server = &http.Server{Handler: http.HandlerFunc(n.connect)}
	go func() { _ = n.server.Serve(listener) }()
	return n, os.WriteFile(n.config(), fmt.Appendf(nil, selection, n.socket()), 0o600)
}

// selection tells the API server to reach Services through the socket. Its TCP variant wants TLS.
const selection = `apiVersion: apiserver.k8s.io/v1beta1
kind: EgressSelectorConfiguration
egressSelections:
- name: cluster
  connection:
    proxyProtocol: HTTPConnect
    transport:
      uds: {udsName: %q}
`

func (n *Network) socket() string { return filepath.Join(n.dir, "socket") }
func (n *Network) config() string { return filepath.Join(n.dir, "egress.yaml") }

// Flags are those of an API server in this network, as cluster.Options takes them.
func (n *Network) Flags() map[string]string {
	return map[string]string{"egress-selector-config-file": n.config()}
}

// Close stops the network.
func (n *Network) Close() error {
	if n == nil {
		return nil
	}
	return errors.Join(n.server.Close(), os.RemoveAll(n.dir))
}

func (n *Network) add(pod string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !slices.Contains(n.pods, pod) {
		n.pods = append(n.pods, pod)
	}
}

func (n *Network) remove(pod string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pods = slices.DeleteFunc(n.pods, func(other string) bool { return other == pod })
}

// pick is one of the pods that are ready; "" if none is.
func (n *Network) pick() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.pods) == 0 {
		return ""
	}
	return n.pods[rand.IntN(len(n.pods))]
}

// connect answers CONNECT. chartgate's Service is the only one that the API server connects to.
func (n *Network) connect(w http.ResponseWriter, r *http.Request) {
	pod := n.pick()
	if r.Method != http.MethodConnect || pod == "" {
		http.Error(w, "no pod of the Service is ready", http.StatusServiceUnavailable)
		return
	}
	out, err := net.Dial("tcp", pod)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	in, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		_ = out.Close()
		return
	}
	if _, err := io.WriteString(in, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		_ = in.Close()
	}
	go pipe(in, out)
	pipe(out, in)
}

// pipe copies until one side ends, and then ends the other.
func pipe(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.Close()
	_ = from.Close()
}
