// Package binary builds chartgate for a platform: static, stripped, and equal for equal source.
package binary

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Platform is an operating system and an architecture, by Go's names.
type Platform struct{ OS, Arch string }

// String is the platform as "linux/amd64".
func (p Platform) String() string { return p.OS + "/" + p.Arch }

// Platforms are those that chartgate is released for.
func Platforms() []Platform {
	return []Platform{
		{"linux", "amd64"}, {"linux", "arm64"},
		{"darwin", "amd64"}, {"darwin", "arm64"},
		{"windows", "amd64"}, {"windows", "arm64"},
	}
}

// ParsePlatforms reads "linux/amd64,linux/arm64". It refuses a platform that chartgate is not released for, and one that is
// named twice.
func ParsePlatforms(list string) ([]Platform, error) {
	known := map[string]Platform{}
	for _, p := range Platforms() {
		known[p.String()] = p
	}
	var platforms []Platform
	for name := range strings.SplitSeq(list, ",") {
		p, is := known[name]
		if !is {
			return nil, fmt.Errorf("platform %q: want some of %v, each once", name, Platforms())
		}
		delete(known, name)
		platforms = append(platforms, p)
	}
	return platforms, nil
}

// Binary is a built program.
type Binary struct {
	Platform
	Path string
}

// Builder builds the checkout at Root.
type Builder struct {
	Root string
	// Version is what `chartgate version` prints, as v0.1.0.
	Version string
	// Dir takes the binaries, one folder for each platform.
	Dir string
}

// Build compiles the product for a platform.
func (b Builder) Build(ctx context.Context, p Platform) (Binary, error) {
	name := "chartgate"
	if p.OS == "windows" {
		name += ".exe"
	}
	path := filepath.Join(b.Dir, p.OS+"_"+p.Arch, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return Binary{}, err
	}
	// No path of this machine, no build ID and no state of Git: the same source makes the same bytes.
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags=-s -w -buildid= -X main.releaseVersion="+b.Version, "-o", path, "./cmd/chartgate")
	cmd.Dir, cmd.Stdout, cmd.Stderr = b.Root, os.Stderr, os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOOS="+p.OS, "GOARCH="+p.Arch)
	if err := cmd.Run(); err != nil {
		return Binary{}, fmt.Errorf("build for %s: %w", p, err)
	}
	return Binary{Platform: p, Path: path}, nil
}
