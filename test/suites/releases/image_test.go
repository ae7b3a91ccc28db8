package releases_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/env/release"
	"github.com/chartgate/chartgate/test/fixtures/tuf"
	"github.com/chartgate/chartgate/test/harness"
)

func run(t *testing.T, tool string, args ...string) string {
	t.Helper()
	path, err := cluster.Tool(tool)
	if err != nil {
		t.Fatal(err)
	}
	out, err := cluster.Command{Name: path, Args: args}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return out.Stdout
}

// TestImageIsReproducible: `make image` gives the digest of the image that `make release` has pushed.
func TestImageIsReproducible(t *testing.T) {
	p := published(t)
	bin, err := cluster.Path("bin")
	if err != nil {
		t.Fatal(err)
	}
	output := filepath.Join(t.TempDir(), "image")
	out, err := release.Make(t.Context(), p.Tree, bin, "image",
		"VERSION="+version, "IMAGE_PLATFORMS=linux/amd64", "OUTPUT="+output)
	if err != nil {
		t.Fatal(err)
	}
	if want := digestOf(p.Image); !strings.Contains(out.Stdout, want) {
		t.Errorf("the second build is another one: want %s, got\n%s", want, out.Stdout)
	}
	var layout v1.IndexManifest
	text, err := os.ReadFile(filepath.Join(output, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &layout); err != nil {
		t.Fatal(err)
	}
	if len(layout.Manifests) != 1 || layout.Manifests[0].Digest.String() != digestOf(p.Image) {
		t.Errorf("the layout has %+v", layout.Manifests)
	}
	run(t, "spdx", output+".spdx.json")
}

// TestWhatIsInTheImage: two files, their directories, a folder for temporary files, and the settings that the chart's pod needs.
func TestWhatIsInTheImage(t *testing.T) {
	p := published(t)
	var config v1.ConfigFile
	if err := json.Unmarshal([]byte(run(t, "crane", "config", "--insecure", "--platform=linux/amd64", p.Image)), &config); err != nil {
		t.Fatal(err)
	}
	labels := config.Config.Labels
	config.Config.Labels = nil
	want := v1.Config{
		User: "65532:65532", Entrypoint: []string{program}, WorkingDir: "/", Env: []string{"PATH=/usr/local/bin", "HOME=/tmp"},
	}
	if diff := cmp.Diff(want, config.Config); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	if labels["org.opencontainers.image.version"] != p.Tag() || labels["org.opencontainers.image.source"] != "https://github.com/chartgate/chartgate" ||
		!regexp.MustCompile(`^[0-9a-f]{40}$`).MatchString(labels["org.opencontainers.image.revision"]) {
		t.Errorf("labels: %v", labels)
	}
	if config.OS != "linux" || config.Architecture != "amd64" || len(config.RootFS.DiffIDs) != 2 {
		t.Errorf("%s/%s with %d layers", config.OS, config.Architecture, len(config.RootFS.DiffIDs))
	}
	root := unpack(t, p.Image)
	var files []string
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files = append(files, strings.TrimPrefix(path, root))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/etc/ssl/certs/ca-certificates.crt", program}, files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// unpack writes the image's files into a new folder, as a container runtime does.
func unpack(t *testing.T, image string) string {
	t.Helper()
	dir := t.TempDir()
	archive, root := filepath.Join(dir, "image.tar"), filepath.Join(dir, "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, "crane", "export", "--insecure", "--platform=linux/amd64", image, archive)
	if _, err := (cluster.Command{Name: "tar", Args: []string{"-xf", archive, "-C", root}}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return root
}

// TestImageVerifies: the program in the image verifies a chart, as it is run outside of a cluster: the trust root comes from a
// TUF repository, whose metadata it keeps below the HOME of the image.
func TestImageVerifies(t *testing.T) {
	p := published(t)
	_, by := p.Workflow(version)
	root, err := p.Sigstore.TrustedRoot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	repository, err := tuf.New(time.Now().Add(time.Hour), map[string][]byte{"trusted_root.json": root})
	if err != nil {
		t.Fatal(err)
	}
	mirror := tuf.Serve(repository.Files())
	t.Cleanup(mirror.Close)
	dir := t.TempDir()
	policies := fmt.Sprintf(`
apiVersion: chartgate.dev/v1alpha1
kind: TrustRoot
metadata: {name: default}
spec: {tuf: {mirror: %q, root: %q}}
---
apiVersion: chartgate.dev/v1alpha1
kind: TrustedIdentity
metadata: {name: release}
spec: {keyless: {issuer: %q, subject: %q}}
---
apiVersion: chartgate.dev/v1alpha1
kind: ChartPolicy
metadata: {name: chartgate}
spec: {match: {charts: ["oci://%s/**"]}, require: [{anyOf: [release]}]}
`, mirror.URL, repository.Root(), by.Issuer, by.Subject, p.Prefix())
	if err := os.WriteFile(filepath.Join(dir, "policies.yaml"), []byte(policies), 0o600); err != nil {
		t.Fatal(err)
	}
	test, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cluster.Command{
		Name: test, Env: []string{rootVariable + "=" + unpack(t, p.Image), "HOME=" + dir},
		Args: []string{"verify", "oci://" + p.Chart, "--policy", filepath.Join(dir, "policies.yaml"), "--plain-http", p.Registry.Host()},
	}.Run(t.Context())
	if err != nil || !strings.Contains(out.Stdout, "signed by release ") {
		t.Errorf("%v, %+v", err, out)
	}
}

// TestImageServes: the program in the image gates a real API server, as a pod of the chart would run it: without root,
// capabilities, a root file system that it can write to, or any file that is not in the image.
func TestImageServes(t *testing.T) {
	p := published(t)
	test, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	wrapper := filepath.Join(t.TempDir(), "chartgate")
	script := fmt.Sprintf("#!/bin/sh\n%s='%s' exec '%s' \"$@\"\n", rootVariable, unpack(t, p.Image), test)
	if err := os.WriteFile(wrapper, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CHARTGATE_BIN", wrapper)
	site := harness.OpenForTest(t, harness.Setup{
		Options:            cluster.Options{CRDs: []string{"crds/flux"}, Namespaces: []string{"apps"}},
		ManagedCertificate: true,
	})
	object := site.Object(t, harness.Source("HelmRepository", "apps/acme", `spec: {type: oci, url: "oci://ghcr.io/acme/charts"}`))
	answer, err := site.Try(t, harness.Admin, func(c dynamic.Interface) error {
		_, err := harness.ResourceOf(c, object).Create(t.Context(), object, metav1.CreateOptions{})
		return err
	})
	if err != nil || !slices.Equal(answer.Causes, []string{"NoPolicy spec.url"}) {
		t.Errorf("answer %+v, error %v", answer, err)
	}
	status := processStatus(t, site.Gate.PID())
	for name, want := range map[string]string{
		"Uid": "65532\t65532\t65532\t65532", "Gid": "65532\t65532\t65532\t65532", "Groups": "",
		"CapInh": none, "CapPrm": none, "CapEff": none, "CapBnd": none, "CapAmb": none, "NoNewPrivs": "1",
	} {
		if status[name] != want {
			t.Errorf("%s of the process is %q, not %q", name, status[name], want)
		}
	}
}

const none = "0000000000000000"

// processStatus is /proc/PID/status.
func processStatus(t *testing.T, pid int) map[string]string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	status := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		status[name] = strings.TrimSpace(value)
	}
	return status
}
