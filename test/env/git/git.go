// Package git serves a Git repository over HTTP, with git's own server.
package git

import (
	"context"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/chartgate/chartgate/test/env/cluster"
)

// Repository is a repository with the branch main, on 127.0.0.1.
type Repository struct {
	dir    string
	server *httptest.Server
}

// NewRepository serves a new, empty repository from a folder. Close stops it.
func NewRepository(ctx context.Context, dir string) (*Repository, error) {
	r := &Repository{dir: dir}
	if _, err := r.run(ctx, "init", "--quiet", "--initial-branch=main"); err != nil {
		return nil, err
	}
	programs, err := r.run(ctx, "--exec-path")
	if err != nil {
		return nil, err
	}
	r.server = httptest.NewServer(&cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(programs.Stdout), "git-http-backend"),
		Env:  append([]string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1"}, alone...),
	})
	return r, nil
}

// URL is the repository's.
func (r *Repository) URL() string { return r.server.URL + "/.git" }

// Commit commits files. Those of the commit before stay, unless they are replaced.
func (r *Repository) Commit(ctx context.Context, message string, files map[string]string) error {
	for name, content := range files {
		path := filepath.Join(r.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	if _, err := r.run(ctx, "add", "--all"); err != nil {
		return err
	}
	_, err := r.run(ctx, "-c", "user.name=test", "-c", "user.email=test@chartgate.test", "commit", "--quiet", "--message="+message)
	return err
}

// Close stops the server.
func (r *Repository) Close() { r.server.Close() }

// alone keeps git away from the user's settings.
var alone = []string{"GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_CONFIG_SYSTEM=" + os.DevNull}

func (r *Repository) run(ctx context.Context, args ...string) (cluster.Output, error) {
	return cluster.Command{Name: "git", Args: args, Dir: r.dir, Env: alone}.Run(ctx)
}
