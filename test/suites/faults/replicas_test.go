package faults_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/env/process"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/harness"
)

// site is a cluster with chartgate installed, whose Service leads to a balancer.
type site struct {
	*harness.Site
	balancer *balancer
}

// openSite starts an API server and installs chartgate with policies, but no replica yet.
func openSite(t *testing.T) *site {
	t.Helper()
	charts := &world{registry: registrytest.New(registrytest.Options{})} // only its registry
	t.Cleanup(charts.registry.Close)
	charts.bundle(t, "acme/signed", charts.push(t, "acme/signed"))
	charts.push(t, "acme/unsigned")
	s := &site{}
	s.Site = harness.OpenForTest(t, harness.Setup{
		Options: cluster.Options{CRDs: []string{"crds/flux"}, Namespaces: []string{"apps"}},
		Values: map[string]any{
			"plainHTTP":   []string{charts.registry.Host()},
			"trustedRoot": map[string]any{"json": string(theSigstore(t).root)},
		},
		Objects: harness.Identity("acme-release", `{keyless: {issuer: "https://issuer.example", subject: release@acme.example}}`) +
			harness.Policy("acme", `{match: {charts: ["oci://HOST/acme/**"]}, require: [{anyOf: [acme-release]}]}`),
		Stopped: true, Local: charts.local,
	})
	s.balancer = newBalancer(t, s.Installation.Address())
	return s
}

// start starts a replica, and gives it requests when it is ready.
func (s *site) start(t *testing.T) *replica {
	t.Helper()
	port, err := process.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	r := &replica{balancer: s.balancer, address: fmt.Sprintf("127.0.0.1:%d", port)}
	if r.process, err = s.Installation.Run(t.Context(), fmt.Sprintf("--webhook-port=%d", port)); err != nil {
		t.Fatal(err)
	}
	s.balancer.add(r.address)
	t.Cleanup(func() { _ = r.process.Stop() }) // it may have been killed
	return r
}

// balancer is a Service as kube-proxy implements it: each new connection goes to the next address,
// and to the one after that if it is refused.
type balancer struct {
	listener net.Listener

	mu        sync.Mutex
	addresses []string
	next      int
}

func newBalancer(t *testing.T, address string) *balancer {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{listener: listener}
	var connections sync.WaitGroup
	connections.Go(func() { b.accept(&connections) })
	t.Cleanup(func() { _ = listener.Close() })
	return b
}

func (b *balancer) add(address string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.addresses = append(b.addresses, address)
}

func (b *balancer) remove(address string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.addresses = slices.DeleteFunc(b.addresses, func(a string) bool { return a == address })
}

func (b *balancer) accept(connections *sync.WaitGroup) {
	for {
		conn, err := b.listener.Accept()
		if err != nil {
			return // closed
		}
		connections.Go(func() { b.forward(conn) })
	}
}

// forward copies both ways until one side ends.
func (b *balancer) forward(client net.Conn) {
	defer func() { _ = client.Close() }()
	server := b.dial()
	if server == nil {
		return
	}
	defer func() { _ = server.Close() }()
	ended := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{server, client}, {client, server}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1]) // an end is an end
			ended <- struct{}{}
		}()
	}
	<-ended
}

// dial returns nil if all refuse.
func (b *balancer) dial() net.Conn {
	b.mu.Lock()
	b.next++
	addresses, first := slices.Clone(b.addresses), b.next
	b.mu.Unlock()
	for i := range addresses {
		conn, err := net.Dial("tcp", addresses[(first+i)%len(addresses)])
		if err == nil {
			return conn
		}
	}
	return nil
}

// caller calls a replica as an API server does, over HTTP/2 on a connection that it keeps.
type caller struct {
	client *http.Client
	review []byte
}

func newCaller() *caller {
	nowhere := world{}
	review, err := json.Marshal(unchanged(nowhere.argo(map[string]any{})).review())
	if err != nil {
		panic(err)
	}
	return &caller{review: review, client: &http.Client{Transport: &http.Transport{
		// Only this process uses the address.
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true,
	}}}
}

func (c *caller) call(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, harness.Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+address+"/validate-charts?timeout=10s", bytes.NewReader(c.review))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the replica answers %s", resp.Status)
	}
	return nil
}
