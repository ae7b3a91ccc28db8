package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/chartgate/chartgate/hack/internal/source"
)

// checkVersion returns the version as tags and charts have it, without v.
func checkVersion(version string) (number string, err error) {
	number, is := strings.CutPrefix(version, "v")
	parsed, err := semver.StrictNewVersion(number)
	if !is || err != nil {
		return "", fmt.Errorf("version %q: want one as v0.1.0 or v0.1.0-rc.1", version)
	}
	if parsed.Metadata() != "" {
		return "", fmt.Errorf("version %q: a tag in a registry cannot hold +", version)
	}
	return number, nil
}

var (
	errDirty = errors.New("the checkout differs from its commit, so the release could not be built again")
	errTag   = errors.New("the version is the tag of another commit")
)

// checkTree returns the commit that is released. It refuses what is not in it, and a version that Git knows already.
func checkTree(ctx context.Context, tree source.Tree, version string) (source.Commit, error) {
	changes, err := tree.Changes(ctx)
	if err != nil {
		return source.Commit{}, err
	}
	if len(changes) > 0 {
		return source.Commit{}, fmt.Errorf("%w: commit or remove\n%s", errDirty, strings.Join(changes, "\n"))
	}
	commit, err := tree.Head(ctx)
	if err != nil {
		return source.Commit{}, err
	}
	tagged, err := tree.Tag(ctx, version)
	if err != nil {
		return source.Commit{}, err
	}
	if tagged != "" && tagged != commit.Revision {
		return source.Commit{}, fmt.Errorf("%s: %w: it is at %s, and the checkout at %s", version, errTag, tagged, commit.Revision)
	}
	return commit, nil
}
