package sigstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/chartgate/chartgate/test/cluster"
	"github.com/chartgate/chartgate/test/process"
)

// patience bounds every wait for something that takes a second on an idle machine.
const patience = 2 * time.Minute

// server is a program of bin/ that serves HTTP on 127.0.0.1.
type server struct {
	name  string
	url   string
	probe string // answers 200 once the server is ready

	cmd    *exec.Cmd
	log    process.Journal
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
		_, err := process.Get(ctx, s.probe)
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

func at(port int) string { return fmt.Sprintf("http://127.0.0.1:%d", port) }

func freePorts(n int) ([]int, error) {
	ports := make([]int, n)
	for i := range ports {
		var err error
		if ports[i], err = process.FreePort(); err != nil {
			return nil, err
		}
	}
	return ports, nil
}
