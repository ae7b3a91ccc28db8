package releases_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/harness"
)

// stranger is someone with an empty folder, helm, cosign, curl and what the project has published.
type stranger struct {
	*harness.Shell
	dir     string
	adapted *strings.Replacer
}

func newStranger(t *testing.T, p *publisher, env ...string) *stranger {
	t.Helper()
	_, by := p.Workflow(version)
	s := &stranger{dir: t.TempDir(), adapted: strings.NewReplacer(
		"https://github.com/chartgate/chartgate/releases/download/"+version, p.page.URL,
		"ghcr.io/chartgate", p.Prefix(),
		issuer, by.Issuer,
		// The page's registry speaks TLS, and the page's Sigstore is the public one.
		"./chartgate verify ", "./chartgate verify --plain-http="+p.Registry.Host()+" --trusted-root=\"$TRUSTED_ROOT\" ",
	)}
	programs := t.TempDir()
	root, err := p.Sigstore.TrustedRoot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	trusted := filepath.Join(programs, "trusted_root.json")
	if err := os.WriteFile(trusted, root, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, script := range map[string]string{
		"cosign3": `command=$1
shift
case $command in
verify | verify-attestation) exec %s "$command" --allow-http-registry --trusted-root="$TRUSTED_ROOT" "$@" ;;
*) exec %s "$command" --trusted-root="$TRUSTED_ROOT" "$@" ;;
esac
`,
		"helm": `case "$*" in
*oci://*) exec %s "$@" --plain-http ;;
*) exec %s "$@" ;;
esac
`,
	} {
		tool, err := cluster.Tool(name)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(programs, strings.TrimSuffix(name, "3"))
		if err := os.WriteFile(path, fmt.Appendf(nil, "#!/bin/sh\n"+script, tool, tool), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	home := t.TempDir()
	env = append(env, "HOME="+home, "HELM_CACHE_HOME="+home, "DOCKER_CONFIG="+home, "TUF_ROOT="+home, "TRUSTED_ROOT="+trusted)
	s.Shell, err = harness.OpenShell(t.Context(), s.dir, programs, env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// do runs what a page says.
func (s *stranger) do(t *testing.T, commands string, fails bool) string {
	t.Helper()
	printed, err := s.Run(s.adapted.Replace(commands), fails)
	if err != nil {
		t.Fatalf("%s\n%v\n%s", commands, err, printed)
	}
	return printed
}

// verification are the blocks of "Verify what you install".
func verification(t *testing.T) []harness.Block {
	t.Helper()
	blocks, err := harness.ReadPage("docs", "install.md")
	if err != nil {
		t.Fatal(err)
	}
	var found []harness.Block
	for _, block := range blocks {
		if strings.Contains(block.Mark, "test/suites/releases") {
			found = append(found, block)
		}
	}
	if len(found) != 3 {
		t.Fatalf("the page has %d blocks for this test, not 3", len(found))
	}
	return found
}

// TestVerifyAndInstall does what docs/install.md and README.md say, from an empty folder: get the program, verify it, verify
// the chart and the image with the page's policy, install the chart from the registry into a real API server.
func TestVerifyAndInstall(t *testing.T) {
	p := published(t)
	c, err := cluster.Start(t.Context(), cluster.Options{CRDs: []string{"crds/flux"}, Namespaces: []string{"apps"}})
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	s := newStranger(t, p, "KUBECONFIG="+c.Kubeconfig)
	printed := ""
	for _, block := range verification(t) {
		printed += s.do(t, block.Text, false)
	}
	for _, want := range []string{
		"chartgate_0.1.0_linux_amd64.tar.gz: OK", "Verified OK", digestOf(p.Chart), "The cosign claims were validated",
	} {
		if !strings.Contains(printed, want) {
			t.Errorf("it does not print %q, but\n%s", want, printed)
		}
	}
	if got := s.do(t, "./chartgate version", false); got != "chartgate "+version+"\n" {
		t.Errorf("chartgate version prints %q", got)
	}
	// By the digest, as the page says for those who worry about tags.
	s.do(t, "helm show chart oci://"+p.Chart, false)
	readme, err := harness.ReadInstallation()
	if err != nil {
		t.Fatal(err)
	}
	s.do(t, readme.Install, false)
	image := s.do(t, "kubectl get deployment chartgate --namespace chartgate-system --output=jsonpath='{.spec.template.spec.containers[0].image}'", false)
	if strings.TrimSpace(image) != p.Image {
		t.Errorf("the installed Deployment has the image %s, and the released one is %s", image, p.Image)
	}
	s.do(t, readme.Enforce, false)
	// What a kubelet would start: the program that was downloaded and verified.
	t.Setenv("CHARTGATE_BIN", s.dir)
	installed, err := c.Installed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	gate, err := installed.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := gate.Stop(); err != nil {
			t.Error(err)
		}
	})
	denied := s.do(t, `cat > acme.yaml <<'EOF'
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: acme, namespace: apps}
spec: {type: oci, url: "oci://ghcr.io/acme/charts"}
EOF
kubectl apply -f acme.yaml`, true)
	if !strings.Contains(denied, "denied (NoPolicy)") {
		t.Errorf("the installed gate answers %s", denied)
	}
}

// TestForgedReleases: what the page's commands say of a release that somebody else has made, or changed.
func TestForgedReleases(t *testing.T) {
	p := published(t)
	blocks := verification(t)
	get, trust, verify := blocks[0].Text, blocks[1].Text, blocks[2].Text
	onlyChart, _, _ := strings.Cut(verify, "\n")

	t.Run("an archive that was replaced", func(t *testing.T) {
		s := newStranger(t, p)
		changed := strings.Replace(get, "sha256sum", "echo more >>chartgate_0.1.0_linux_amd64.tar.gz\nsha256sum", 1)
		if printed := s.do(t, upTo(changed, "sha256sum"), true); !strings.Contains(printed, "chartgate_0.1.0_linux_amd64.tar.gz: FAILED") {
			t.Errorf("it prints\n%s", printed)
		}
	})
	t.Run("checksums that were replaced with it", func(t *testing.T) {
		s := newStranger(t, p)
		before, after, _ := strings.Cut(upTo(get, "--certificate-identity"), "cosign ")
		s.do(t, before+"cosign "+after, false)
		if printed := s.do(t, "echo more >>checksums.txt\ncosign "+after, true); strings.Contains(printed, "Verified OK") {
			t.Errorf("it prints\n%s", printed)
		}
	})
	t.Run("a chart that another workflow has signed", func(t *testing.T) {
		forger := p.Issuer.Workflow("mallory/chartgate", "mallory/chartgate/.github/workflows/release.yaml@refs/tags/"+version)
		s := newStranger(t, p)
		s.do(t, strings.SplitN(get, "sha256sum", 2)[0]+"tar -xzf chartgate_0.1.0_linux_amd64.tar.gz chartgate", false)
		s.do(t, trust, false)
		digest := s.copyChart(t, p)
		if err := p.Sigstore.Sign(t.Context(), forger, p.Registry.Host()+"/mallory/charts/chartgate@"+digest); err != nil {
			t.Fatal(err)
		}
		printed := s.do(t, strings.ReplaceAll("sed -i s,ghcr.io/chartgate/charts,"+p.Registry.Host()+"/mallory/charts, chartgate-release.yaml\n"+onlyChart,
			"oci://ghcr.io/chartgate/charts", "oci://"+p.Registry.Host()+"/mallory/charts"), true)
		if !strings.Contains(printed, "IdentityNotAllowed") {
			t.Errorf("it prints\n%s", printed)
		}
	})
}

// upTo is the commands before and with the line that holds the text.
func upTo(commands, text string) string {
	before, rest, _ := strings.Cut(commands, text)
	line, _, _ := strings.Cut(rest, "\n")
	return before + text + line
}

// copyChart puts the released chart, without its signatures, where its forger can push.
func (s *stranger) copyChart(t *testing.T, p *publisher) string {
	t.Helper()
	s.do(t, "crane copy --insecure "+p.Chart+" "+p.Registry.Host()+"/mallory/charts/chartgate:0.1.0", false)
	return digestOf(p.Chart)
}

func digestOf(reference string) string {
	_, digest, _ := strings.Cut(reference, "@")
	return digest
}
