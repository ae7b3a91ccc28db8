package cluster

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Root is the directory of the repository: the nearest one upwards with a go.mod.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no go.mod in or above the working directory")
		}
		dir = parent
	}
}

// Path is a path below the repository.
func Path(elements ...string) (string, error) {
	root, err := Root()
	return filepath.Join(append([]string{root}, elements...)...), err
}

// Tool is a program or directory in bin/ that `make tools` makes. A missing tool is an error, not a
// reason to skip a test.
func Tool(name string) (string, error) {
	path, err := Path("bin", name)
	if err != nil {
		return "", err
	}
	return there(path)
}

func there(path string) (string, error) {
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%w: run `make tools`", err)
	}
	return path, nil
}

// assets is the directory of kube-apiserver, etcd and kubectl: $KUBEBUILDER_ASSETS or bin/.
func assets() (string, error) {
	dir := os.Getenv("KUBEBUILDER_ASSETS")
	if dir == "" {
		var err error
		if dir, err = Path("bin"); err != nil {
			return "", err
		}
	}
	for _, name := range []string{"kube-apiserver", "etcd", "kubectl"} {
		if _, err := there(filepath.Join(dir, name)); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// Chartgate is the binary: $CHARTGATE_BIN, which may be the directory that it is in, or
// bin/chartgate. It is built if it is missing.
func Chartgate(ctx context.Context) (string, error) {
	path := os.Getenv("CHARTGATE_BIN")
	if path == "" {
		var err error
		if path, err = Path("bin"); err != nil {
			return "", err
		}
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, "chartgate")
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	root, err := Root()
	if err != nil {
		return "", err
	}
	_, err = Command{Name: "go", Args: []string{"build", "-trimpath", "-o", path, "./cmd/chartgate"}, Dir: root}.Run(ctx)
	return path, err
}

// Helm runs helm, away from the user's files.
func Helm(ctx context.Context, stdin string, args ...string) (Output, error) {
	helm, err := Tool("helm")
	if err != nil {
		return Output{}, err
	}
	dir := filepath.Join(os.TempDir(), "chartgate-helm")
	env := []string{"HELM_CACHE_HOME=" + dir, "HELM_CONFIG_HOME=" + dir, "HELM_DATA_HOME=" + dir, "DOCKER_CONFIG=" + dir}
	return Command{Name: helm, Args: args, Env: env, Stdin: stdin}.Run(ctx)
}

// Command is a program to run to its end.
type Command struct {
	Name  string
	Args  []string
	Dir   string
	Env   []string // added to the environment
	Stdin string
}

// Output is what a program wrote.
type Output struct{ Stdout, Stderr string }

// Run runs the command. An error holds all that the program wrote.
func (c Command) Run(ctx context.Context) (Output, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, c.Name, c.Args...)
	cmd.Dir, cmd.Env = c.Dir, append(os.Environ(), c.Env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = io.Reader(strings.NewReader(c.Stdin)), &stdout, &stderr
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("%s %s: %w\n%s%s", filepath.Base(c.Name), strings.Join(c.Args, " "), err, &stdout, &stderr)
	}
	return Output{stdout.String(), stderr.String()}, err
}
