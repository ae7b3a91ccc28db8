package webhook

import (
	"net"
	"testing"

	"github.com/chartgate/chartgate/pkg/fair"
)

// incoming are connections that arrive at a listener, one by one, by the addresses that they come
// from.
type incoming struct {
	net.Listener
	from []string
	open []*arrival
}

type arrival struct {
	net.Conn
	from   string
	closed bool
}

func (a *arrival) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(a.from), Port: 4711} }
func (a *arrival) Close() error         { a.closed = true; return nil }

func (l *incoming) Accept() (net.Conn, error) {
	if len(l.from) == 0 {
		return nil, net.ErrClosed
	}
	next := &arrival{from: l.from[0]}
	l.from, l.open = l.from[1:], append(l.open, next)
	return next, nil
}

// A client that opens connections without end gets three quarters of them, and others still get
// some.
func TestAttackConnectionsWithoutEnd(t *testing.T) {
	arrivals := &incoming{}
	for range 20 {
		arrivals.from = append(arrivals.from, "10.0.0.66")
	}
	arrivals.from = append(arrivals.from, "10.0.0.1")
	listener := &boundedListener{Listener: arrivals, places: fair.NewSemaphore(8)}
	accepted := map[string]int{}
	var last net.Conn
	for {
		conn, err := listener.Accept()
		if err != nil {
			break
		}
		host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
		accepted[host]++
		last = conn
	}
	if accepted["10.0.0.66"] != 6 || accepted["10.0.0.1"] != 1 {
		t.Errorf("accepted: %v", accepted)
	}
	for i, a := range arrivals.open {
		if want := i >= 6 && i < 20; a.closed != want {
			t.Errorf("connection %d is closed: %t", i, a.closed)
		}
	}
	if err := last.Close(); err != nil {
		t.Error(err)
	}
	_ = last.Close() // again: nothing
	arrivals.from = []string{"10.0.0.1", "10.0.0.2"}
	for range 2 {
		if _, err := listener.Accept(); err != nil {
			t.Errorf("the place of a closed connection is not free: %v", err)
		}
	}
}
