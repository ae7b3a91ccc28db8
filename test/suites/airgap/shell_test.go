package airgap_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/chartgate/chartgate/test/env/cluster"
)

// shell is one bash in which blocks are run one after another, as somebody at a terminal would.
type shell struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
	n   int
}

func openShell(ctx context.Context, dir, path string, env []string) (*shell, error) {
	tools, err := cluster.Path("bin")
	if err != nil {
		return nil, err
	}
	s := &shell{cmd: exec.CommandContext(ctx, "bash", "--noprofile", "--norc")}
	s.cmd.Dir = dir
	s.cmd.Env = append(append(os.Environ(), "PATH="+tools+":"+path+":"+os.Getenv("PATH"), "COSIGN_YES=true"), env...)
	// A group of its own, so that what was started in the background ends with it.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.cmd.Stderr = s.cmd.Stdout
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	s.out = bufio.NewScanner(out)
	return s, s.cmd.Start()
}

// run runs a block and returns what it printed. The shell stops at the first command that fails, unless the block is to.
func (s *shell) run(b block) (string, error) {
	s.n++
	end := fmt.Sprintf("=== end of block %d: ", s.n)
	mode := "set -e"
	if b.fails {
		mode = "set +e"
	}
	if _, err := fmt.Fprintf(s.in, "%s\n%s\necho \"%s$?\"\n", mode, b.text, end); err != nil {
		return "", err
	}
	var printed strings.Builder
	for s.out.Scan() {
		if status, is := strings.CutPrefix(s.out.Text(), end); is {
			if b.fails == (status == "0") {
				return printed.String(), fmt.Errorf("it ended with %s", status)
			}
			return printed.String(), nil
		}
		printed.WriteString(s.out.Text() + "\n")
	}
	return printed.String(), errors.Join(errors.New("the shell ended"), s.out.Err())
}

func (s *shell) close() {
	_ = s.in.Close()
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGTERM)
	_ = s.cmd.Wait()
}

// follow runs blocks in a folder, with the programs at path beside those of bin/. adapt puts what the test has in the place of what only its readers have; install does what helm
// install and a kubelet would.
func follow(ctx context.Context, dir, path string, env []string, blocks []block, adapt func(string) string, install func() error) error {
	s, err := openShell(ctx, dir, path, env)
	if err != nil {
		return err
	}
	defer s.close()
	for _, b := range blocks {
		if b.install {
			if err := install(); err != nil {
				return fmt.Errorf("%s%w", b.text, err)
			}
			continue
		}
		if adapt != nil {
			b.text = adapt(b.text)
		}
		printed, err := s.run(b)
		if err != nil {
			return fmt.Errorf("%s%w\n%s", b.text, err, printed)
		}
		for _, line := range b.prints {
			if !strings.Contains(printed, line) {
				return fmt.Errorf("%sdoes not print %q, but\n%s", b.text, line, printed)
			}
		}
	}
	return nil
}
