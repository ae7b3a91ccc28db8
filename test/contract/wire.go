package contract

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/source"
)

// helmLog is the environment variable with the file into which a false helm writes
// its arguments.
const helmLog = "CONTRACT_HELM_LOG"

// Main runs the tests of a module. A test binary that is called helm is the false
// helm that FalseHelm puts in Argo CD's way.
func Main(m *testing.M) {
	if filepath.Base(os.Args[0]) != "helm" {
		os.Exit(m.Run())
	}
	arguments, _ := json.Marshal(os.Args[1:])
	if err := os.WriteFile(os.Getenv(helmLog), arguments, 0o600); err != nil {
		panic(err)
	}
	os.Exit(1)
}

// FalseHelm runs f and returns the arguments of the helm that f calls, which fails; nil if it does
// not call helm.
func FalseHelm(t *testing.T, f func()) []string {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(dir, "helm")); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(dir, "log")
	t.Setenv("PATH", dir)
	t.Setenv("TMPDIR", dir)
	t.Setenv(helmLog, log)
	f()
	var arguments []string
	if written, err := os.ReadFile(log); err == nil {
		if err := json.Unmarshal(written, &arguments); err != nil {
			t.Fatal(err)
		}
	}
	return arguments
}

// only returns the target of an Application with a single source; nil if that is no chart.
func only(t *testing.T, repoURL, chartName, revision string) source.Target {
	t.Helper()
	application, err := json.Marshal(map[string]any{"spec": map[string]any{"source": map[string]string{
		"repoURL": repoURL, "chart": chartName, "targetRevision": revision,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	seen, err := uses(application, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) > 1 {
		t.Fatalf("%d uses of one source", len(seen))
	}
	if len(seen) == 0 {
		return nil
	}
	return seen[0].Target
}

// every returns the strings of a pool without repetitions.
func every(pool string) []string { return slices.Compact(slices.Sorted(slices.Values(pools[pool]))) }

// testHelm lets Argo CD fetch every chart that pkg/source would have verified, and
// compares what helm is told with what was verified.
func (a Argo) testHelm(t *testing.T) {
	compared := 0
	for _, repoURL := range every("repoURL") {
		for _, chartName := range every("chart") {
			use, ok := only(t, repoURL, chartName, "1.2.3+build.1").(source.Chart)
			if chartName == "" || !ok || !use.Reference.Location.IsOCI() {
				continue
			}
			compared++
			got := a.HelmPull(t, repoURL, chartName, "1.2.3+build.1")
			if got == nil || strings.HasSuffix(repoURL, "/") || !a.IsHelmOciRepo(repoURL) {
				continue // nothing is fetched: see Pull.location and Pull.vain
			}
			p := Pull{Kind: HelmOCI, RepoURL: repoURL, Chart: chartName, Revision: "1.2.3+build.1"}
			want := []string{"pull", "oci://" + repoURL + "/" + chartName, "--version", "1.2.3+build.1", "--destination"}
			if !p.is(use.Reference) || !slices.Equal(got[:len(want)], want) {
				t.Errorf("Argo CD runs helm %q, chartgate verifies %s", got, use.Reference)
			}
		}
	}
	if compared < 5 {
		t.Errorf("only %d charts were compared", compared)
	}
}

// testNative lets Argo CD resolve every OCI source that pkg/source would have
// verified, and compares what the registry is asked with what was verified.
func (a Argo) testNative(t *testing.T) {
	met := map[string]bool{}
	for _, repoURL := range every("repoURL") {
		for _, revision := range every("revision") {
			use, ok := only(t, repoURL, "", revision).(source.Chart)
			if !ok {
				continue
			}
			want := requests(repoURL, use.Reference.Selector)
			for _, got := range a.NativePull(t, repoURL, revision, tags) {
				if met[got] = true; !slices.Contains(want, got) {
					t.Errorf("%s at %q: Argo CD asks for %q, chartgate verifies %q", repoURL, revision, got, want)
				}
			}
			if p := (Pull{Kind: OCI, RepoURL: repoURL, Revision: revision}); !p.is(use.Reference) {
				t.Errorf("%s at %q: chartgate verifies %s", repoURL, revision, use.Reference)
			}
		}
	}
	for _, manifest := range []string{"1.2.3", digest, "1.2.3-rc.1", "1.x", "2.0.0"} {
		if !met["HEAD ghcr.io/v2/acme/charts/podinfo/manifests/"+manifest] {
			t.Errorf("Argo CD never asked for %s", manifest)
		}
	}
}

// tags are those of the repository that ranges are looked up in.
var tags = []string{"1.0.0", "1.2.3-rc.1", "1.9.0_build.1", "2.0.0", "latest", "v3"}

// requests are those that fetch what s selects. Argo CD may make fewer: it takes a
// range for tags with "_" to one with "+", which no registry has.
func requests(repoURL string, s chart.Selector) []string {
	repository := strings.Replace(strings.TrimPrefix(repoURL, "oci://"), "/", "/v2/", 1)
	all := []string{}
	manifest := func(of string) { all = append(all, "HEAD "+repository+"/manifests/"+of) }
	if digest, ok := s.Digest(); ok {
		manifest(digest.String())
	}
	if tag, ok := s.Tag(); ok {
		manifest(tag)
	}
	if s.IsRange() {
		all = append(all, "GET "+repository+"/tags/list")
		if tag, err := s.Select(context.Background(), tags); err == nil {
			manifest(tag)
		}
	}
	return all
}

// testHelmOCI holds the classification of repositories to Argo CD's.
func (a Argo) testHelmOCI(t *testing.T) {
	met := map[string]int{}
	for _, repoURL := range every("repoURL") {
		oci := a.IsHelmOciRepo(repoURL)
		target := only(t, repoURL, "podinfo", "1.2.3")
		use, ok := target.(source.Chart)
		switch {
		case target == nil:
			t.Errorf("%q with a chart is no use", repoURL)
		case !ok:
			met["denied"]++
		case oci != use.Reference.Location.IsOCI() && !(Pull{Kind: Helm, RepoURL: repoURL}).vain():
			t.Errorf("%q is Helm-OCI for Argo CD: %t, for chartgate: %s", repoURL, oci, use.Reference)
		default:
			met[fmt.Sprint("Helm-OCI: ", oci)]++
		}
	}
	if met["denied"] == 0 || met["Helm-OCI: true"] == 0 || met["Helm-OCI: false"] == 0 {
		t.Errorf("the repositories are too much alike: %v", met)
	}
}

// testSameURL looks for references that Argo CD takes to another place than they
// say: where a repository is registered under a URL that Argo CD calls the same, it
// uses that URL.
func (a Argo) testSameURL(t *testing.T) {
	swapped := 0
	for _, s := range []struct {
		written, chart, registered string
		gap                        bool // known, as in gaps: write false when this fails
	}{
		{"ghcr.io/acme/charts.git", "podinfo", "ghcr.io/acme/charts", false},
		{"oci://ghcr.io/acme/charts/podinfo.git", "", "oci://ghcr.io/acme/charts/podinfo", false},
		{"https://charts.acme.example/stable.git", "podinfo", "https://charts.acme.example/stable", false},
		{"ghcr.io/Acme/charts", "podinfo", "ghcr.io/acme/charts", false},
		{" ghcr.io/acme/charts", "podinfo", "ghcr.io/acme/charts", false},
		{"oci://ghcr.io/acme/charts/podinfo ", "", "oci://ghcr.io/acme/charts/podinfo", false},
		{"ssh://ghcr.io/acme/charts", "podinfo", "ghcr.io/acme/charts", false},
		{"ghcr.io/acme/charts/", "podinfo", "ghcr.io/acme/charts", false},
	} {
		if !a.SameURL(s.written, s.registered) {
			continue
		}
		swapped++
		target := only(t, s.written, s.chart, "1.2.3")
		if _, denied := target.(source.Unresolved); denied == s.gap {
			t.Errorf("Argo CD fetches %q from %q where that is registered (known: %t); chartgate verifies %+v", s.written, s.registered, s.gap, target)
		}
	}
	if swapped < 5 {
		t.Errorf("Argo CD takes only %d of these for the same", swapped)
	}
}

// testRanges compares the tag that Argo CD takes for a version or range in a Helm-OCI
// repository with the one that is verified.
func (a Argo) testRanges(t *testing.T) {
	literal, chosen := 0, 0
	for _, revision := range append(every("revision"), "1.x.x", "~1", "<2", ">=1.0.0-0", "1.2.3 || 3", "> 1, < 2", "=1.9.0", "!=2.0.0", "v1.x") {
		s, err := chart.ParseArgoHelmRevision(revision)
		if err != nil {
			continue
		}
		if a.IsVersion(revision) {
			literal++
			if tag, ok := s.Tag(); !ok || tag != strings.ReplaceAll(revision, "+", "_") || s.IsRange() {
				t.Errorf("Argo CD takes %q literally, chartgate takes %q", revision, tag)
			}
			continue
		}
		for n := range 1 << len(tags) {
			subset := choose(n)
			got, ours := s.Select(t.Context(), subset)
			want, err := a.MaxVersion(revision, plus(subset))
			want = strings.ReplaceAll(want, "+", "_")
			if err != nil || ours != nil || !slices.Contains(subset, want) {
				continue // denied, or nothing is fetched
			}
			chosen++
			if got != want {
				t.Errorf("of %q, Argo CD takes %q for %q, chartgate %q", subset, want, revision, got)
			}
		}
	}
	if literal < 5 || chosen < 100 {
		t.Errorf("only %d literal versions and %d ranges were compared", literal, chosen)
	}
}

// choose returns the tags whose bits are set in n.
func choose(n int) []string {
	var subset []string
	for i, tag := range tags {
		if n>>i&1 == 1 {
			subset = append(subset, tag)
		}
	}
	return subset
}

// plus returns tags as Argo CD's GetTags does.
func plus(tags []string) []string {
	var all []string
	for _, tag := range tags {
		all = append(all, strings.ReplaceAll(tag, "_", "+"))
	}
	return all
}
