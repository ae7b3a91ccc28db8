package scan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/inventory"
	"github.com/chartgate/chartgate/test/harness"
)

// policies are what the platform team is about to install.
var policies = harness.Identity("acme-release", `{keyless: {issuer: "`+issuer+`", subject: "`+release+`"}}`) +
	harness.Policy("acme", `{match: {charts: ["oci://ghcr.io/acme/**"]}, require: [{anyOf: [acme-release]}]}`) +
	harness.Policy("legacy", `{match: {charts: ["https://charts.example.com/**"]}, allowUnverified: {reason: moving to OCI, until: "2999-12-31"}}`)

// fromAcme is a HelmRelease of a chart in ghcr.io/acme.
func fromAcme(name, chart, status string) string {
	return harness.HelmRelease(name, "spec: {interval: 1m, "+harness.FromRepository("acme", chart, "1.0.0")+"}"+status)
}

// helmChart is the HelmChart that helm-controller makes for a release in apps.
func helmChart(name, chart, layer string) string {
	return harness.Source("HelmChart", "apps-"+name, `spec: {interval: 1m, chart: `+chart+`, version: 1.0.0, sourceRef: {kind: HelmRepository, name: acme}}, `+
		`status: {artifact: {path: x, url: "http://x", revision: 1.0.0, digest: "`+layer+`", lastUpdateTime: "2026-11-01T00:00:00Z"}}`)
}

// deployed is the status of a HelmRelease that was installed through a HelmChart.
func deployed(name, more string) string {
	return `, status: {helmChart: apps/apps-` + name + `, storageNamespace: apps, history: [{digest: "sha256:x", name: ` + name + `, namespace: apps, version: 1, ` +
		`status: deployed, chartName: x, chartVersion: 1.0.0, configDigest: x, firstDeployed: "2026-11-01T00:00:00Z", lastDeployed: "2026-11-01T00:00:00Z"` + more + `}]}`
}

var objects = harness.Source("HelmRepository", "acme", `spec: {interval: 1m, type: oci, url: "oci://ghcr.io/acme"}`) +
	harness.Source("HelmRepository", "legacy/charts", `spec: {interval: 1m, url: "https://charts.example.com"}`) +
	fromAcme("podinfo", "podinfo", deployed("podinfo", "")) + helmChart("podinfo", "podinfo", "sha256:<layer of podinfo>") +
	fromAcme("moved", "moved", deployed("moved", "")) + helmChart("moved", "moved", "sha256:<layer of before>") +
	fromAcme("unsigned", "unsigned", "") + fromAcme("keyed", "keyed", "") +
	harness.HelmRelease("suspended", "spec: {interval: 1m, suspend: true, "+harness.FromRepository("acme", "stranger", "1.0.0")+"}") +
	harness.HelmRelease("floating", "spec: {interval: 1m, "+harness.FromRepository("acme", "podinfo", "1.x")+"}") +
	harness.HelmRelease("legacy/old", "spec: {interval: 1m, "+harness.FromRepository("charts", "wordpress", "1.0.0")+"}") +
	harness.Source("OCIRepository", "moved", `spec: {interval: 1m, url: "oci://ghcr.io/acme/moved", ref: {tag: 1.0.0}, `+harness.HelmLayer+`}, `+
		`status: {artifact: {path: x, url: "http://x", revision: "1.0.0@sha256:<before>", digest: "sha256:<layer of before>", lastUpdateTime: "2026-11-01T00:00:00Z"}}`) +
	harness.HelmRelease("by-ref", "spec: {interval: 1m, chartRef: {kind: OCIRepository, name: moved}}"+deployed("by-ref", `, ociDigest: "sha256:<before>"`)) +
	harness.Application("argocd/helm", harness.ApplicationSpec(`source: {repoURL: ghcr.io/acme, chart: podinfo, targetRevision: 1.0.0}`)+
		`, status: {sync: {status: Synced, revision: 1.0.0}}`) +
	harness.Application("argocd/native", harness.ApplicationSpec(`sources: [{repoURL: "https://github.com/acme/config", path: x}, {repoURL: "oci://ghcr.io/acme/podinfo", targetRevision: 1.0.0, path: .}]`)+
		`, status: {sync: {status: Synced, revisions: [abc, "sha256:<podinfo>"]}}`)

// row is what a test compares of a row.
type row struct {
	Object, Reference, Digest, Deployed, Is, Signers, Verdict, Reason, Findings string
}

func (p *place) rows(found inventory.Inventory) []row {
	var rows []row
	for _, r := range found.Rows {
		var signers, findings []string
		for _, s := range r.Signers {
			words := append(slices.Clone(s.Identities), strings.ReplaceAll(s.Key, p.key, "sha256:<key>")+s.Subject)
			if s.Unverified != "" {
				words = append([]string{"unverified"}, words...)
			}
			signers = append(signers, strings.Join(words, " "))
		}
		for _, f := range r.Findings {
			findings = append(findings, string(f.Kind))
		}
		rows = append(rows, row{
			r.Object.Kind + " " + r.Object.Namespace + "/" + r.Object.Name, r.Reference, r.Digest, r.Deployed.Revision, string(r.Deployed.Is),
			strings.Join(signers, ", "), r.Verdict, string(r.Reason), strings.Join(findings, ", "),
		})
	}
	return rows
}

// Everything that deploys charts is listed, with what it means now and what is deployed.
func TestCluster(t *testing.T) {
	p := thePlace(t)
	const podinfo, moved = "oci://ghcr.io/acme/podinfo:1.0.0", "oci://ghcr.io/acme/moved:1.0.0"
	signed := "acme-release " + release
	want := []row{
		{"HelmChart apps/apps-moved", moved, "sha256:<moved>", "1.0.0", "Moved", signed, "Verified", "", "TagMoved"},
		{"HelmChart apps/apps-podinfo", podinfo, "sha256:<podinfo>", "1.0.0", "Same", signed, "Verified", "", ""},
		{"HelmRelease apps/by-ref", moved, "sha256:<moved>", "1.0.0", "Moved", signed, "Verified", "", "TagMoved"},
		{"HelmRelease apps/floating", "oci://ghcr.io/acme/podinfo:1.x", "sha256:<podinfo>", "", "", signed, "Denied", "NotPinned", ""},
		{"HelmRelease apps/keyed", "oci://ghcr.io/acme/keyed:1.0.0", "sha256:<keyed>", "", "", "unverified sha256:<key>", "Denied", "SignatureInvalid", ""},
		{"HelmRelease apps/moved", moved, "sha256:<moved>", "1.0.0", "Moved", signed, "Verified", "", "TagMoved"},
		{"HelmRelease apps/podinfo", podinfo, "sha256:<podinfo>", "1.0.0", "Same", signed, "Verified", "", ""},
		{"HelmRelease apps/suspended", "oci://ghcr.io/acme/stranger:1.0.0", "sha256:<stranger>", "", "", "https://github.com/mallory/x", "Denied", "IdentityNotAllowed", ""},
		{"HelmRelease apps/unsigned", "oci://ghcr.io/acme/unsigned:1.0.0", "sha256:<unsigned>", "", "", "", "Denied", "SignatureMissing", ""},
		{"HelmRepository apps/acme", "oci://ghcr.io/acme", "", "", "", "", "Covered", "", ""},
		{"OCIRepository apps/moved", moved, "sha256:<moved>", "1.0.0@sha256:<before>", "Moved", signed, "Verified", "", "TagMoved"},
		{"Application argocd/helm", podinfo, "sha256:<podinfo>", "1.0.0", "Unknown", signed, "Verified", "", ""},
		{"Application argocd/native", podinfo, "sha256:<podinfo>", "sha256:<podinfo>", "Same", signed, "Verified", "", ""},
		{"HelmRelease legacy/old", "https://charts.example.com/wordpress:1.0.0", "", "", "", "", "AllowedUnverified", "", ""},
		{"HelmRepository legacy/charts", "https://charts.example.com", "", "", "", "", "Covered", "", ""},
	}
	for _, c := range []struct {
		sentence string
		args     []string
		code     int
		rows     func(row) (row, bool)
		says     []string
	}{
		{"under policies", []string{"--policy", p.dir + "/policies.yaml"}, 1, func(r row) (row, bool) { return r, true }, []string{
			"Under DIR/policies.yaml, 9 would pass, 0 would pass with a warning, and 4 would be denied.",
			"Without a verified signature: 2 (1 of them signed by an unknown signer). Without a policy: 0. Without a pin: 1.",
			"4 deploy another digest than their tag means now.",
			"Outside the gate: helm itself installed 2 releases.",
			"  legacy: 2 objects",
		}},
		{"without policies, signers and pins are found all the same", nil, 0, func(r row) (row, bool) {
			r.Verdict, r.Reason, r.Signers = "NotJudged", "NoPolicy", strings.TrimPrefix(r.Signers, "acme-release ")
			if strings.HasPrefix(r.Reference, "https://") {
				r.Reason = "NotOCI"
			}
			return r, true
		}, []string{"There are no policies, so nothing is judged."}},
		{"one namespace", []string{"-n", "legacy"}, 0, func(r row) (row, bool) {
			r.Verdict, r.Reason = "NotJudged", "NotOCI"
			return r, strings.Contains(r.Object, " legacy/")
		}, []string{"2 objects"}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			got := p.scan(t, append(c.args, "-o", "json")...)
			var rows []row
			for _, r := range want {
				if expected, in := c.rows(r); in {
					rows = append(rows, expected)
				}
			}
			if diff := cmp.Diff(rows, p.rows(got.inventory(t))); diff != "" || got.Code != c.code {
				t.Errorf("exit code %d, rows (-want +got):\n%s%s", got.Code, diff, got.Stderr)
			}
			table := p.scan(t, append(c.args, "-o", "table")...)
			for _, text := range c.says {
				if !strings.Contains(table.Stdout, text+"\n") {
					t.Errorf("no line %q in\n%s", text, table.Stdout)
				}
			}
		})
	}
}

// helm's own releases are listed by chart and version; those of a HelmRelease are not.
func TestHelmReleases(t *testing.T) {
	p := thePlace(t)
	want := []inventory.HelmRelease{{Namespace: "apps", Name: "by-hand", Chart: "byhand", Version: "2.0.0"}, {Namespace: "apps", Name: "other-driver", Chart: "byhand", Version: "2.0.0"}}
	got := p.scan(t, "-o", "json")
	if diff := cmp.Diff(want, got.inventory(t).Outside); diff != "" {
		t.Errorf("releases (-want +got):\n%s", diff)
	}
	got = p.scan(t, "-o", "json", "-n", "legacy")
	if diff := cmp.Diff([]inventory.HelmRelease(nil), got.inventory(t).Outside); diff != "" {
		t.Errorf("releases of another namespace (-want +got):\n%s", diff)
	}
}
