package faults_test

import (
	"io"
	"net"
	"slices"
	"sync"
	"testing"
)

// balancer is what kube-proxy makes of a Service: each new connection goes to the next address, and to the one after
// that if it is refused.
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

// dial is nil if all refuse.
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
