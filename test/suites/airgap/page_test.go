package airgap_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"

	"github.com/chartgate/chartgate/test/env/cluster"
)

// block is a code block of the page that the test runs.
type block struct {
	where   string // "outside" or "inside"
	text    string
	fails   bool     // its last command is to fail
	install bool     // it is helm's installation of chartgate
	prints  []string // lines of which its output must contain each
}

// fence matches a comment that says where a block is run, the block, and its output.
var fence = regexp.MustCompile("(?s)<!-- (outside|inside)([^\n]*) -->\n```sh\n(.*?)```\n(?:\n```text\n(.*?)```\n)?")

// readPage reads docs/air-gapped.md. Every block of it must be one that is run, so that every block
// is tested.
func readPage() ([]block, error) {
	path, err := cluster.Path("docs", "air-gapped.md")
	if err != nil {
		return nil, err
	}
	page, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var blocks []block
	for _, match := range fence.FindAllStringSubmatch(string(page), -1) {
		b := block{where: match[1], text: match[3], fails: strings.Contains(match[2], "fails"), install: strings.HasPrefix(match[3], "helm install ")}
		if match[4] != "" {
			b.prints = strings.Split(strings.TrimSpace(match[4]), "\n")
		}
		blocks = append(blocks, b)
	}
	if all := strings.Count(string(page), "```sh\n"); all != len(blocks) || len(blocks) == 0 {
		return nil, fmt.Errorf("the page has %d blocks of commands, of which %d say where they are run", all, len(blocks))
	}
	printed := strings.Count(string(page), "```text\n")
	for _, b := range blocks {
		if len(b.prints) > 0 {
			printed--
		}
	}
	if printed != 0 {
		return nil, errors.New("the page shows output that follows no commands")
	}
	return blocks, nil
}

func outsideOf(blocks []block) []block { return at(blocks, "outside") }
func insideOf(blocks []block) []block  { return at(blocks, "inside") }

func at(blocks []block, where string) []block {
	var some []block
	for _, b := range blocks {
		if b.where == where {
			some = append(some, b)
		}
	}
	return some
}

// shell is one bash in which blocks are run one after another, as a user at a terminal would.
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
	// A process group, so that background processes end with it.
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

// run runs a block and returns what it printed. The shell stops at the first command that fails,
// unless the block must fail.
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

// follow runs blocks in a folder, with the programs at path beside those of bin/. adapt replaces
// what only readers have by what the test has; install does what helm install and a kubelet do.
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
