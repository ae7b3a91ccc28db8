package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

// Patience bounds every wait for something that takes a second on an idle machine.
const Patience = 2 * time.Minute

// Program is a program to start as a server.
type Program struct {
	Binary string
	Args   []string
	// Dir is its working directory, and its home. Apart from PATH, its environment holds Env only.
	Dir string
	Env []string
	// Probe is a URL that answers 200 once the server is ready.
	Probe string
}

// Server is a running program that serves HTTP on 127.0.0.1.
type Server struct {
	program Program
	cmd     *exec.Cmd
	log     Journal
	exited  chan struct{}
	err     error // of the exit; read it after exited is closed
}

// Start starts the program and does not wait until it is ready.
func (p Program) Start() (*Server, error) {
	s := &Server{program: p, exited: make(chan struct{})}
	// Not CommandContext: the end of a context must not kill a server whose graceful end is tested.
	s.cmd = exec.Command(p.Binary, p.Args...)
	s.cmd.Dir = p.Dir
	s.cmd.Env = append([]string{"HOME=" + p.Dir, "TMPDIR=" + p.Dir, "PATH=" + os.Getenv("PATH")}, p.Env...)
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

// Ready asks the probe. A server that is not ready is an error.
func (s *Server) Ready(ctx context.Context) error {
	_, err := Get(ctx, s.program.Probe)
	return err
}

// WaitReady waits until the probe answers.
func (s *Server) WaitReady(ctx context.Context) error {
	return s.WaitUntil(ctx, s.Ready)
}

// WaitLog waits until the server has written a line that matches, and returns the match.
func (s *Server) WaitLog(ctx context.Context, line *regexp.Regexp) (match []string, err error) {
	err = s.WaitUntil(ctx, func(context.Context) error {
		if match = line.FindStringSubmatch(s.Log()); match == nil {
			return fmt.Errorf("no line matches %s", line)
		}
		return nil
	})
	return match, err
}

// WaitUntil waits until the condition returns no error, or the server has ended.
func (s *Server) WaitUntil(ctx context.Context, condition func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	for {
		err := condition(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.exited:
			return fmt.Errorf("%s ended: %w\n%s", s.name(), errors.Join(err, s.err), &s.log)
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w\n%s", s.name(), err, &s.log)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Ended reports whether the process has ended.
func (s *Server) Ended() bool {
	select {
	case <-s.exited:
		return true
	default:
		return false
	}
}

// Terminate sends SIGTERM, as a kubelet does, and does not wait.
func (s *Server) Terminate() error { return s.cmd.Process.Signal(syscall.SIGTERM) }

// Wait waits for the end. An exit code other than 0 is an error.
func (s *Server) Wait() error {
	select {
	case <-s.exited:
	case <-time.After(Patience):
		return errors.Join(fmt.Errorf("%s did not end within %s of SIGTERM\n%s", s.name(), Patience, &s.log), s.cmd.Process.Kill())
	}
	if s.err != nil {
		return fmt.Errorf("%s ended: %w\n%s", s.name(), s.err, &s.log)
	}
	return nil
}

// Stop sends SIGTERM and waits for the end.
func (s *Server) Stop() error {
	select {
	case <-s.exited:
		return s.Wait()
	default:
		return errors.Join(s.Terminate(), s.Wait())
	}
}

// Kill ends the process at once, as the kernel does when memory runs out. A process that has ended
// by itself is an error.
func (s *Server) Kill() error {
	select {
	case <-s.exited:
		return fmt.Errorf("%s had ended by itself: %w\n%s", s.name(), s.err, &s.log)
	default:
	}
	if err := s.cmd.Process.Kill(); err != nil {
		return err
	}
	<-s.exited
	return nil
}

// Pause stops the process as SIGSTOP does, until Resume: it takes connections and answers nothing.
func (s *Server) Pause() error { return s.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (s *Server) Resume() error { return s.cmd.Process.Signal(syscall.SIGCONT) }

// PID is the process's number.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Log is what the process has written.
func (s *Server) Log() string { return s.log.String() }

func (s *Server) name() string { return filepath.Base(s.program.Binary) }
