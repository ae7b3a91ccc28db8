package harness

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/test/env/cluster"
)

// Verify is a call of `chartgate verify`.
type Verify struct {
	Args  []string
	Stdin string
	Dir   string
	Env   []string // in place of the environment if not nil
}

// Verdict is what `chartgate verify` wrote, and its exit code.
type Verdict struct {
	Stdout, Stderr string
	Code           int
}

// Admits reports whether every chart was admitted.
func (v Verdict) Admits() bool { return v.Code == 0 }

// Run runs the command, which must end by itself.
func (v Verify) Run(t testing.TB) Verdict {
	t.Helper()
	binary, err := cluster.Chartgate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return Verdict(Program{Path: binary, Args: append([]string{"verify"}, v.Args...), Stdin: v.Stdin, Dir: v.Dir, Env: v.Env}.Run(t))
}

// Program is a program to run to its end, whatever its exit code.
type Program struct {
	Path  string
	Args  []string
	Stdin string
	Dir   string
	Env   []string // in place of the environment if not nil
}

// Ended is what a program wrote, and its exit code.
type Ended struct {
	Stdout, Stderr string
	Code           int
}

// Run runs the program, which must end by itself.
func (p Program) Run(t testing.TB) Ended {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), p.Path, p.Args...)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Env = p.Dir, p.Env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(p.Stdin), &stdout, &stderr
	err := cmd.Run()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		t.Fatal(err)
	}
	return Ended{Stdout: stdout.String(), Stderr: stderr.String(), Code: cmd.ProcessState.ExitCode()}
}

// Paste runs a command that chartgate printed in a shell, in a directory where cosign is that tool
// of bin/. The environment is added to the test's.
func Paste(t testing.TB, tool, dir, command string, env ...string) {
	t.Helper()
	path, err := cluster.Tool(tool)
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(path, filepath.Join(bin, "cosign")); err != nil {
		t.Fatal(err)
	}
	_, err = cluster.Command{
		Name: "sh", Args: []string{"-c", command}, Dir: dir, Env: append(env, "PATH="+bin+":"+os.Getenv("PATH")),
	}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
}
