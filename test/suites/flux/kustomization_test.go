package flux_test

import (
	"strings"
	"testing"

	"github.com/chartgate/chartgate/test/fixtures/charts"
	"github.com/chartgate/chartgate/test/harness"
)

// TestKustomizationWithReleasesBeforeTheirSources: kustomize-controller applies what a team has in
// one folder in the order of the alphabet, releases before their sources. All of it is admitted at
// the first try, and deployed.
func TestKustomizationWithReleasesBeforeTheirSources(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	m.own().Signed(t, "1.0.0", "one")
	m.publishFolder(t, "1.0.0",
		releaseOf("by-repository", "charts", "1.0.0", ""), releaseBy("by-source", "OCIRepository", "chart"),
		helmRepository("charts", m.own()), ociRepository("chart", m.own(), "1.0.0"))

	m.Apply(t, m.manifests("1.0.0"), kustomization)
	m.deploys(t, "by-repository", "one none")
	m.deploys(t, "by-source", "one none")
	m.becomesReady(t, kustomization)
	for _, name := range []string{"by-repository", "by-source"} {
		if got := m.refused(t, kustomizeController, release(name, "")); got > 0 {
			t.Errorf("%d writes of release %s were denied", got, name)
		}
	}
}

// TestKustomizationWithAnUnsignedRelease: the release is denied with a message that its owner reads in
// the Kustomization's status. Nothing of the folder that follows it is lost: the next revision, in
// which the chart is another one, is applied.
func TestKustomizationWithAnUnsignedRelease(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	m.own().Signed(t, "1.0.0", "one")
	m.own().Push(t, "2.0.0", "evil")
	folder := func(revision, version string) {
		m.publishFolder(t, revision, helmRepository("charts", m.own()), releaseOf("app", "charts", version, ""))
		m.Apply(t, m.manifests(revision), kustomization)
	}
	folder("1.0.0", "1.0.0")
	m.deploys(t, "app", "one none")

	folder("2.0.0", "2.0.0")
	harness.Eventually(t, func() string {
		if ready := m.ready(t, kustomization); !strings.HasPrefix(ready, "Ready=False") || !strings.Contains(ready, "(SignatureMissing)") {
			return ready
		}
		return ""
	})
	if got := m.deployed(t, "app"); got != "one none" {
		t.Errorf("deployed %q", got)
	}

	m.own().Signed(t, "1.1.0", "two")
	folder("3.0.0", "1.1.0")
	m.deploys(t, "app", "two none")
	m.becomesReady(t, kustomization)
}

const kustomizeController = "system:serviceaccount:flux-system:kustomize-controller"

// kustomization applies the folder of the OCIRepository folder.
var kustomization = harness.Object("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "folder",
	spec("interval: 10m, retryInterval: 5s, prune: true, path: ./, sourceRef: {kind: OCIRepository, name: folder}"))

// publishFolder publishes a folder of manifests for the team's namespace, which no policy is about.
func (m *team) publishFolder(t *testing.T, revision string, objects ...string) {
	t.Helper()
	text := strings.ReplaceAll(strings.Join(objects, ""), "namespace: apps", "namespace: "+m.Name)
	archive, err := charts.Pack(".", charts.File{Name: "apps.yaml", Body: m.Local(text)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.foreign.PushFluxArtifact("manifests/"+m.Name, revision, archive); err != nil {
		t.Fatal(err)
	}
}

// manifests is the OCIRepository folder at a revision.
func (m *team) manifests(revision string) string {
	return source("OCIRepository", "folder", spec("interval: 10m, insecure: true, url: %q, ref: {tag: %q}",
		"oci://"+m.foreign.Host()+"/manifests/"+m.Name, revision))
}
