package sigstack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/chartgate/chartgate/test/cluster"
)

// patience bounds every wait for something that takes a second on an idle machine.
const patience = 2 * time.Minute

// server is a program of bin/ that serves HTTP on 127.0.0.1.
type server struct {
	name  string
	url   string
	probe string // answers 200 once the server is ready

	cmd    *exec.Cmd
	log    journal
	exited chan struct{}
	err    error // of the exit; read it after exited is closed
}

// launch starts a program. It sees neither the user's files nor their environment.
func launch(name, url, probe, dir string, args ...string) (*server, error) {
	binary, err := cluster.Tool(name)
	if err != nil {
		return nil, err
	}
	s := &server{name: name, url: url, probe: url + probe, exited: make(chan struct{})}
	s.cmd = exec.Command(binary, args...)
	s.cmd.Dir, s.cmd.Env = dir, []string{"HOME=" + dir, "TMPDIR=" + dir, "PATH=" + os.Getenv("PATH")}
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		s.err = s.cmd.Wait()
		close(s.exited)
	}()
	return s, nil
}

func (s *server) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		_, err := get(ctx, s.probe)
		if err == nil {
			return nil
		}
		select {
		case <-s.exited:
			return fmt.Errorf("%s ended: %w\n%s", s.name, errors.Join(err, s.err), &s.log)
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w\n%s", s.name, err, &s.log)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop ends the process that launch started, and no other. How the servers end is not what we test.
func (s *server) stop() error {
	select {
	case <-s.exited:
		return fmt.Errorf("%s had ended by itself: %w\n%s", s.name, s.err, &s.log)
	default:
	}
	if err := s.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-s.exited
	return nil
}

func get(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, response.Status, body)
	}
	return body, err
}

// journal is a log that can be read while it is written.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func at(port int) string { return fmt.Sprintf("http://127.0.0.1:%d", port) }

// freePort is a port on which nobody listens at this moment. It lies below the range from which the kernel takes ports
// for outgoing connections, so it stays free.
func freePort() (int, error) {
	const lowest, many, tries = 12_000, 18_000, 100
	var err error
	for range tries {
		port := lowest + rand.IntN(many)
		var listener net.Listener
		if listener, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return port, listener.Close()
		}
	}
	return 0, fmt.Errorf("find a free port: %w", err)
}

func freePorts(n int) ([]int, error) {
	ports := make([]int, n)
	for i := range ports {
		var err error
		if ports[i], err = freePort(); err != nil {
			return nil, err
		}
	}
	return ports, nil
}
