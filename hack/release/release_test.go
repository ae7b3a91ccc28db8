package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/registry"
	"helm.sh/helm/v3/pkg/chart/loader"

	"github.com/chartgate/chartgate/hack/internal/binary"
	"github.com/chartgate/chartgate/hack/internal/image"
	"github.com/chartgate/chartgate/hack/internal/source"
)

// TestMain runs the tests in the root of the repository, as make runs the command.
func TestMain(m *testing.M) {
	if err := os.Chdir("../.."); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func TestVersions(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"v0.1.0", "v1.2.3-rc.1"} {
		if number, err := checkVersion(good); err != nil || "v"+number != good {
			t.Errorf("%s: %q, error %v", good, number, err)
		}
	}
	for _, bad := range []string{"", "0.1.0", "v0.1", "vv0.1.0", "v0.1.0+build", "latest", "v01.1.0", "v0.1.0 "} {
		if _, err := checkVersion(bad); err == nil {
			t.Errorf("%q is a version", bad)
		}
	}
}

// TestTreesThatAreRefused: a release is made of a commit, and of no other than the one that its tag names.
func TestTreesThatAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=test", "-c", "user.email=test@chartgate.test"}, args...)...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	refused := func(want error) {
		t.Helper()
		if _, err := checkTree(t.Context(), source.Tree{Dir: dir}, "v0.1.0"); !errors.Is(err, want) {
			t.Errorf("want %v, got %v", want, err)
		}
	}
	git("init", "--quiet")
	git("commit", "--quiet", "--allow-empty", "--message=first")
	refused(nil)
	git("tag", "v0.1.0")
	refused(nil)
	git("commit", "--quiet", "--allow-empty", "--message=second")
	refused(errTag)
	git("tag", "--delete", "v0.1.0")
	refused(nil)
	if err := os.WriteFile(filepath.Join(dir, "new.go"), []byte("package new\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(errDirty)
}

func inTheMaking(t *testing.T) *release {
	t.Helper()
	r := &release{number: "1.2.3", commit: source.Commit{Revision: "4f2d1c9a0b8e7d6c5b4a39281706f5e4d3c2b1a0", Time: time.Unix(1_795_000_000, 0)}}
	r.version, r.output, r.registry.prefix = "v1.2.3", t.TempDir(), "ghcr.io/chartgate"
	r.content = image.Content{Binaries: []binary.Binary{{Platform: binary.Platform{OS: "linux", Arch: "amd64"}}}}
	return r
}

var pushed = reference{"ghcr.io/chartgate/chartgate", "sha256:" + strings.Repeat("ab", 32)}

// TestChart: the chart of the release is the checkout's, with its version and its image, and the same each time.
func TestChart(t *testing.T) {
	t.Parallel()
	r := inTheMaking(t)
	packed, err := r.packageChart(pushed)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := r.packageChart(pushed); err != nil || !bytes.Equal(packed.archive, again.archive) {
		t.Errorf("a second archive differs, error %v", err)
	}
	checkout, err := loader.LoadDir(chartSource)
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, file := range packed.Raw {
		texts[file.Name] = string(file.Data)
	}
	for _, file := range checkout.Raw {
		text, found := texts[file.Name]
		if !found {
			t.Errorf("%s is not in the archive", file.Name)
		}
		if changes := file.Name == "Chart.yaml" || file.Name == "values.yaml"; changes == (text == string(file.Data)) {
			t.Errorf("%s: changed %t, want %t", file.Name, !changes, changes)
		}
	}
	if len(packed.Raw) != len(checkout.Raw) {
		t.Errorf("the archive has %d files, and the checkout %d", len(packed.Raw), len(checkout.Raw))
	}
	// helm compares every value but these two.
	was, is := checkout.Values, packed.Values
	before, _ := was["image"].(map[string]any)
	after, _ := is["image"].(map[string]any)
	if after["repository"] != pushed.repository || after["digest"] != pushed.digest {
		t.Errorf("the image is %v", after)
	}
	after["repository"], after["digest"] = before["repository"], before["digest"]
	if diff := cmp.Diff(was, is); diff != "" {
		t.Errorf("values (-checkout +release):\n%s", diff)
	}
	if packed.Metadata.Version != "1.2.3" || packed.Metadata.AppVersion != "1.2.3" || !strings.Contains(packed.Metadata.Annotations["artifacthub.io/images"], pushed.String()) {
		t.Errorf("metadata: %+v", packed.Metadata)
	}
}

// TestChartsThatCannotBePinned: a chart whose text has changed is not released with the old image, or with none.
func TestChartsThatCannotBePinned(t *testing.T) {
	t.Parallel()
	good := "image:\n  repository: \"\"\n  digest: \"\"\n"
	if _, err := pinned("# values\n"+good, pushed); err != nil {
		t.Error(err)
	}
	for name, text := range map[string]string{
		"no digest":        "image:\n  repository: \"\"\n",
		"another default":  "image:\n  repository: ghcr.io/x\n  digest: \"\"\n",
		"two repositories": "# values\n" + good + "sidecar:\n  repository: \"\"\n",
	} {
		if got, err := pinned("\n"+text, pushed); err == nil {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestArchives: the same bytes each time, with the program executable.
func TestArchives(t *testing.T) {
	t.Parallel()
	r := inTheMaking(t)
	program := filepath.Join(t.TempDir(), "chartgate")
	if err := os.WriteFile(program, []byte("program\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	pack := func() (names []string) {
		for _, p := range binary.Platforms() {
			b := binary.Binary{Platform: p, Path: program}
			name, err := r.archive(b)
			if err != nil {
				t.Fatal(err)
			}
			plugins, err := r.packPlugins(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			names = append(append(names, name), plugins...)
		}
		return names
	}
	names := pack()
	slices.Sort(names)
	if diff := cmp.Diff([]string{
		"chartgate-1.2.3-darwin-amd64.tgz", "chartgate-1.2.3-darwin-arm64.tgz",
		"chartgate-1.2.3-linux-amd64.tgz", "chartgate-1.2.3-linux-arm64.tgz",
		"chartgate-1.2.3-windows-amd64.tgz", "chartgate-1.2.3-windows-arm64.tgz",
		"chartgate-getter-1.2.3-darwin-amd64.tgz", "chartgate-getter-1.2.3-darwin-arm64.tgz",
		"chartgate-getter-1.2.3-linux-amd64.tgz", "chartgate-getter-1.2.3-linux-arm64.tgz",
		"chartgate-getter-1.2.3-windows-amd64.tgz", "chartgate-getter-1.2.3-windows-arm64.tgz",
		"chartgate_1.2.3_darwin_amd64.tar.gz", "chartgate_1.2.3_darwin_arm64.tar.gz",
		"chartgate_1.2.3_linux_amd64.tar.gz", "chartgate_1.2.3_linux_arm64.tar.gz",
		"chartgate_1.2.3_windows_amd64.zip", "chartgate_1.2.3_windows_arm64.zip",
	}, names); diff != "" {
		t.Errorf("archives (-want +got):\n%s", diff)
	}
	if err := r.checksums(names); err != nil {
		t.Fatal(err)
	}
	first := read(t, r, checksumsFile)
	for _, command := range []string{
		"sha256sum --check --strict checksums.txt",
		"tar -xzf chartgate_1.2.3_linux_amd64.tar.gz && test -x chartgate && test -f LICENSE && rm chartgate LICENSE",
		"tar -xzf chartgate-getter-1.2.3-linux-arm64.tgz chartgate-getter && test -x chartgate-getter/bin/chartgate && grep -q '^version: 1.2.3$' chartgate-getter/plugin.yaml && rm -r chartgate-getter",
		"tar -xzf chartgate-1.2.3-windows-amd64.tgz chartgate && test -x chartgate/bin/chartgate.exe && rm -r chartgate",
		`python3 -c 'import zipfile; z = zipfile.ZipFile("chartgate_1.2.3_windows_amd64.zip"); assert z.testzip() is None and z.namelist() == ["chartgate", "LICENSE"]' || ! command -v python3`,
	} {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
		cmd.Dir = r.output
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
	}
	pack()
	if err := r.checksums(names); err != nil {
		t.Fatal(err)
	}
	if second := read(t, r, checksumsFile); first != second {
		t.Errorf("two builds give\n%s\nand\n%s", first, second)
	}
}

func read(t *testing.T, r *release, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(r.output, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestAVersionIsReleasedOnce: the tag of other content stops the release, a failing registry too, and the own one does not.
func TestAVersionIsReleasedOnce(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	to := registryOf(server)
	push := func(content string) string {
		t.Helper()
		a, err := newArtifact(blob{chartConfigType, []byte("{}")}, blob{chartContentType, []byte(content)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		pushed, err := to.pushArtifact(t.Context(), chartPath, a)
		if err != nil {
			t.Fatal(err)
		}
		return pushed.digest
	}
	first, second := push("one"), push("two")
	free := func(digest string, want error) {
		t.Helper()
		if err := to.tagIsFree(t.Context(), chartPath, "1.2.3", digest); !errors.Is(err, want) {
			t.Errorf("want %v, got %v", want, err)
		}
	}
	free(first, nil)
	if err := to.tag(t.Context(), chartPath, "1.2.3", first); err != nil {
		t.Fatal(err)
	}
	free(first, nil)
	free(second, errExists)
	server.Close()
	if err := to.tagIsFree(t.Context(), chartPath, "1.2.4", first); err == nil {
		t.Error("a registry that does not answer has the version free")
	}
}

func registryOf(server *httptest.Server) registryAt {
	return registryAt{prefix: strings.TrimPrefix(server.URL, "http://") + "/chartgate", plainHTTP: true}
}

// TestProvenance: who builds, of what.
func TestProvenance(t *testing.T) {
	t.Parallel()
	r := inTheMaking(t)
	r.options.registry, r.platforms = "ghcr.io/chartgate", "linux/amd64"
	text, err := r.provenance(pushed)
	if err != nil {
		t.Fatal(err)
	}
	var statement struct {
		BuildDefinition struct {
			BuildType            string
			ExternalParameters   map[string]string
			ResolvedDependencies []struct {
				URI    string
				Digest map[string]string
			}
		}
		RunDetails struct{ Builder struct{ ID string } }
	}
	if err := json.Unmarshal(text, &statement); err != nil {
		t.Fatal(err)
	}
	definition := statement.BuildDefinition
	if diff := cmp.Diff(map[string]string{"version": "v1.2.3", "registry": "ghcr.io/chartgate", "platforms": "linux/amd64"}, definition.ExternalParameters); diff != "" {
		t.Errorf("parameters (-want +got):\n%s", diff)
	}
	if len(definition.ResolvedDependencies) != 2 || definition.ResolvedDependencies[0].Digest["gitCommit"] != r.commit.Revision ||
		definition.ResolvedDependencies[1].Digest["sha256"] != strings.Repeat("ab", 32) {
		t.Errorf("dependencies: %+v", definition.ResolvedDependencies)
	}
	onGitHub := map[string]string{
		"GITHUB_SERVER_URL": "https://github.com", "GITHUB_WORKFLOW_REF": "chartgate/chartgate/.github/workflows/release.yaml@refs/tags/v1.2.3",
		"GITHUB_REPOSITORY": "chartgate/chartgate", "GITHUB_RUN_ID": "4", "GITHUB_RUN_ATTEMPT": "1",
	}
	env := func(name string) string { return onGitHub[name] }
	if got := builder(env); got != "https://github.com/chartgate/chartgate/.github/workflows/release.yaml@refs/tags/v1.2.3" {
		t.Errorf("the builder is %s", got)
	}
	if got := invocation(env); got != "https://github.com/chartgate/chartgate/actions/runs/4/attempts/1" {
		t.Errorf("the invocation is %s", got)
	}
	nowhere := func(string) string { return "" }
	if got := builder(nowhere); !strings.HasSuffix(got, "#from-a-checkout") || invocation(nowhere) != "" {
		t.Errorf("the builder is %s, the invocation %s", got, invocation(nowhere))
	}
}

// TestNoTokenInAnError: the flags of cosign can hold one.
func TestNoTokenInAnError(t *testing.T) {
	t.Parallel()
	c := cosign{program: "false", flags: []string{"--identity-token=secret"}}
	if err := c.sign(context.Background(), pushed); err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), pushed.String()) {
		t.Errorf("%v", err)
	}
}

// TestActionsArePinned: by commit, with the version as a comment.
func TestActionsArePinned(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(".github/workflows/*.yaml")
	if err != nil || len(files) < 2 {
		t.Fatalf("workflows %v, error %v", files, err)
	}
	pinned := regexp.MustCompile(`uses: [a-z-]+/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, "uses:") && !pinned.MatchString(strings.TrimRight(line, "\n")) {
				t.Errorf("%s: %s", file, line)
			}
		}
		if !strings.Contains(string(text), "\npermissions: {}\n") {
			t.Errorf("%s gives every job the default permissions", file)
		}
	}
}
