// Package gitops_test has the real Flux and the real Argo CD install and upgrade chartgate, with the manifests of docs/install.md and releases that
// `make release` has made, through chartgate's own gate.
package gitops_test

import (
	"context"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/env/release"
	"github.com/chartgate/chartgate/test/fixtures/charts"
	"github.com/chartgate/chartgate/test/harness"
)

// TestMain stops what the tests have shared.
func TestMain(m *testing.M) { harness.Main(m, &shared) }

var shared harness.Shared[*releases]

// releases is the project, with two releases.
type releases struct {
	*release.Project
	first, second *release.Release
	trustedRoot   string
}

func published(t *testing.T) *releases {
	t.Helper()
	return shared.Get(t, func(ctx context.Context) (*releases, error) {
		p := &releases{}
		var err error
		if p.Project, err = release.StartProject(ctx); err != nil {
			return p, err
		}
		if p.first, err = p.Publish(ctx, "v0.1.0"); err != nil {
			return p, err
		}
		if p.second, err = p.Publish(ctx, "v0.2.0"); err != nil {
			return p, err
		}
		root, err := p.Sigstore.TrustedRoot(ctx)
		p.trustedRoot = string(root)
		return p, err
	})
}

// on translates what the page says to what is on this machine, where the registry has that address.
func (p *releases) on(registry string) func(string) string {
	_, by := p.Workflow(p.first.Version)
	return strings.NewReplacer("ghcr.io", registry, "https://token.actions.githubusercontent.com", by.Issuer).Replace
}

// forgery is a chart under chartgate's name that is no release, and why chartgate denies it.
type forgery struct{ tag, digest, reason string }

// forgeries publishes one without a signature, and one that somebody else's workflow has signed.
func (p *releases) forgeries(t *testing.T) []forgery {
	t.Helper()
	unsigned := forgery{tag: "0.3.0", reason: "SignatureMissing"}
	stranger := forgery{tag: "0.3.1", reason: "IdentityNotAllowed"}
	for _, f := range []*forgery{&unsigned, &stranger} {
		archive, err := charts.Archive("chartgate", f.tag)
		if err != nil {
			t.Fatal(err)
		}
		if f.digest, err = harness.HelmPush(t.Context(), archive, p.Prefix()+"/charts"); err != nil {
			t.Fatal(err)
		}
	}
	mallory := p.Issuer.Workflow("mallory/chartgate", "mallory/chartgate/.github/workflows/release.yaml@refs/tags/v0.3.1")
	if err := p.Sigstore.Sign(t.Context(), mallory, p.Prefix()+"/charts/chartgate@"+stranger.digest); err != nil {
		t.Fatal(err)
	}
	return []forgery{unsigned, stranger}
}

// page is what docs/install.md says.
type page struct {
	// files are the blocks that start with their name as a comment.
	files map[string]string
	// policies are those that "Verify what you install" writes.
	policies string
	// repair are the commands that this test runs, in order.
	repair []string
}

func readPage(t *testing.T) page {
	t.Helper()
	blocks, err := harness.ReadPage("docs", "install.md")
	if err != nil {
		t.Fatal(err)
	}
	p := page{files: map[string]string{}}
	for _, block := range blocks {
		name, _, _ := strings.Cut(block.Text, "\n")
		switch {
		case block.Language == "yaml" && strings.HasPrefix(name, "# "):
			p.files[strings.TrimPrefix(name, "# ")] = block.Text
		case strings.Contains(block.Mark, "test/suites/gitops"):
			p.repair = append(p.repair, block.Text)
		case strings.HasPrefix(name, "cat > chartgate-release.yaml"):
			_, text, _ := strings.Cut(block.Text, "\n")
			p.policies, _, _ = strings.Cut(text, "EOF\n")
		}
	}
	return p
}

func (p page) file(t *testing.T, name string) string {
	t.Helper()
	text := p.files[name]
	if text == "" {
		t.Fatalf("docs/install.md has no file %s", name)
	}
	return text
}

// namespace is chartgate's.
const namespace = cluster.Namespace
