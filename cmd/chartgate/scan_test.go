package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/inventory"
)

// scan takes stock of manifests, under the usual policies or without any.
func (s *shop) scan(t *testing.T, manifests string, policies bool, more ...string) ran {
	t.Helper()
	dir := s.files(t, map[string]string{"policy.yaml": documentsOf(acmePolicy, releaseIdentity), "root.json": string(s.root), "objects.yaml": manifests})
	args := []string{"scan", "-f", dir + "/objects.yaml", "--trusted-root", dir + "/root.json", "--plain-http", s.host}
	if policies {
		args = append(args, "--policy", dir+"/policy.yaml")
	}
	return s.command(t, "", append(args, more...)...)
}

// scanned is what a test compares of a row.
type scanned struct {
	Object, Reference, Pinning, Signers, Verdict, Reason string
}

func scanJSON(t *testing.T, got ran) []scanned {
	t.Helper()
	var found inventory.Inventory
	var rows []scanned
	if err := json.Unmarshal([]byte(got.Stdout), &found); err != nil {
		t.Fatalf("%v: %+v", err, got)
	}
	for _, r := range found.Rows {
		rows = append(rows, scanned{r.Object.Kind + "/" + r.Object.Name, r.Reference, r.Pinning, signersOf(r), r.Verdict, string(r.Reason)})
	}
	return rows
}

const (
	classicRepository = `
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: classic, namespace: legacy}
spec: {url: "https://charts.example.com"}
`
)

// With policies, a scan says what they would say; without any, it finds the same signers and pins.
func TestScanFiles(t *testing.T) {
	s := theShop(t)
	manifests := documentsOf(acmeRepository, release("podinfo", ""), release("stranger", "suspend: true, "), release("unsigned", ""), release("absent", ""), classicRepository, gitRelease, gitRepository)
	for _, c := range []struct {
		sentence string
		policies bool
		code     int
		want     []scanned
	}{
		{"with policies", true, 1, []scanned{
			{"HelmRepository/acme", "oci://ghcr.io/acme", "", "", "Covered", ""},
			{"HelmRelease/podinfo", "oci://ghcr.io/acme/podinfo:1.0.0", "Version", "release", "Verified", ""},
			{"HelmRelease/stranger", "oci://ghcr.io/acme/stranger:1.0.0", "Version", "mallory@evil.example", "Denied", "IdentityNotAllowed"},
			{"HelmRelease/unsigned", "oci://ghcr.io/acme/unsigned:1.0.0", "Version", "", "Denied", "SignatureMissing"},
			{"HelmRelease/absent", "oci://ghcr.io/acme/absent:1.0.0", "Version", "", "Denied", "ChartNotFound"},
			{"HelmRepository/classic", "https://charts.example.com", "", "", "Denied", "NotOCI"},
			{"HelmRelease/web", "git://github.com/acme/apps//charts/web?ref=main", "Floating", "", "Denied", "NotOCI"},
		}},
		{"without policies", false, 1, []scanned{
			{"HelmRepository/acme", "oci://ghcr.io/acme", "", "", "NotJudged", "NoPolicy"},
			{"HelmRelease/podinfo", "oci://ghcr.io/acme/podinfo:1.0.0", "Version", "release@acme.example", "NotJudged", "NoPolicy"},
			{"HelmRelease/stranger", "oci://ghcr.io/acme/stranger:1.0.0", "Version", "mallory@evil.example", "NotJudged", "NoPolicy"},
			{"HelmRelease/unsigned", "oci://ghcr.io/acme/unsigned:1.0.0", "Version", "", "NotJudged", "NoPolicy"},
			{"HelmRelease/absent", "oci://ghcr.io/acme/absent:1.0.0", "Version", "", "Denied", "ChartNotFound"},
			{"HelmRepository/classic", "https://charts.example.com", "", "", "NotJudged", "NotOCI"},
			{"HelmRelease/web", "git://github.com/acme/apps//charts/web?ref=main", "Floating", "", "NotJudged", "NotOCI"},
		}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			got := s.scan(t, manifests, c.policies, "-o", "json")
			rows := scanJSON(t, got)
			if diff := cmp.Diff(c.want, rows); diff != "" || got.Code != c.code {
				t.Errorf("exit code %d, rows (-want +got):\n%s", got.Code, diff)
			}
		})
	}
}

// Objects of one name, as overlays for several clusters hold them, keep the files that they are in;
// and what is done in another way than in a cluster is said.
func TestScanNamesFiles(t *testing.T) {
	s := theShop(t)
	dir := s.files(t, map[string]string{
		"objects/production.yaml": documentsOf(strings.Replace(acmeRepository, "spec: {", "spec: {secretRef: {name: x}, ", 1), release("podinfo", "")),
		"objects/staging.yaml":    release("podinfo", "interval: 1m, "), "objects/broken.yaml": "kind: HelmRelease\nspec: [\n",
		"root.json": string(s.root),
	})
	got := s.command(t, "", "scan", "-f", dir+"/objects", "--trusted-root", dir+"/root.json", "--plain-http", s.host, "-o", "json")
	var found inventory.Inventory
	if err := json.Unmarshal([]byte(got.Stdout), &found); err != nil {
		t.Fatalf("%v: %+v", err, got)
	}
	var files []string
	for _, r := range found.Rows {
		files = append(files, r.Object.Kind+" in "+strings.TrimPrefix(r.File, dir+"/objects/"))
	}
	want := []string{"Document in broken.yaml: document 1", "HelmRepository in production.yaml: document 1", "HelmRelease in production.yaml: document 2", "HelmRelease in staging.yaml: document 1"}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if !strings.Contains(got.Stderr, "warning: "+dir+"/objects/production.yaml: document 1: HelmRepository apps/acme names spec.secretRef, which only a cluster uses") {
		t.Errorf("nothing is said of the login: %s", got.Stderr)
	}
}
