package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// patience bounds every wait for something that takes a second on an idle machine.
const patience = 2 * time.Minute

// Server is a program that serves HTTP on 127.0.0.1.
type Server struct {
	name  string
	probe string // URL that answers 200 once the server is ready

	cmd    *exec.Cmd
	log    Journal
	exited chan struct{}
	err    error // of the exit; read it after exited is closed
}

// Launch starts a program in a directory, and does not wait. It sees neither the user's files nor
// their environment, only what is in env.
func Launch(binary, dir, probe string, env []string, args ...string) (*Server, error) {
	s := &Server{name: filepath.Base(binary), probe: probe, exited: make(chan struct{})}
	s.cmd = exec.Command(binary, args...)
	s.cmd.Dir, s.cmd.Env = dir, append([]string{"HOME=" + dir, "TMPDIR=" + dir, "PATH=" + os.Getenv("PATH")}, env...)
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

// WaitReady waits until the probe answers.
func (s *Server) WaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		_, err := Get(ctx, s.probe)
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

// Stop ends the process that Launch started, and no other, without asking it.
func (s *Server) Stop() error {
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

// Log is what the process has written.
func (s *Server) Log() string { return s.log.String() }
