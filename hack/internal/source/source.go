// Package source reads from Git what a build is made of.
package source

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// URL is where the source is published.
const URL = "https://github.com/chartgate/chartgate"

// Tree is a checkout.
type Tree struct{ Dir string }

// Commit is what a checkout is at.
type Commit struct {
	Revision string
	// Time is the committer's. It is the time of everything that is built from the commit, so that two builds of
	// one commit are equal.
	Time time.Time
}

// Head is the commit that is checked out.
func (t Tree) Head(ctx context.Context) (Commit, error) {
	out, err := t.git(ctx, "log", "-1", "--format=%H %ct")
	if err != nil {
		return Commit{}, err
	}
	revision, seconds, _ := strings.Cut(out, " ")
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return Commit{}, fmt.Errorf("read the time of commit %s: %w", revision, err)
	}
	return Commit{Revision: revision, Time: time.Unix(unix, 0).UTC()}, nil
}

// Changes are the files that differ from the commit, as "git status" lists them. Ignored files are not among them.
func (t Tree) Changes(ctx context.Context) ([]string, error) {
	out, err := t.git(ctx, "status", "--porcelain", "--untracked-files=all")
	if err != nil || out == "" {
		return nil, err
	}
	return strings.Split(out, "\n"), nil
}

// Tag is the revision of the commit that a tag names; empty if there is no such tag.
func (t Tree) Tag(ctx context.Context, tag string) (string, error) {
	out, err := t.git(ctx, "rev-parse", "--quiet", "--verify", "refs/tags/"+tag+"^{commit}")
	if exit, is := errors.AsType[*exec.ExitError](err); is && exit.ExitCode() == 1 {
		return "", nil
	}
	return out, err
}

func (t Tree) git(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = t.Dir
	var message strings.Builder
	cmd.Stderr = &message
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w\n%s", strings.Join(args, " "), err, &message)
	}
	return strings.TrimRight(string(out), "\n"), nil
}
