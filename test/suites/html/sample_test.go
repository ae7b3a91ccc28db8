package html_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/chartgate/chartgate/pkg/inventory"
	"github.com/chartgate/chartgate/pkg/verdict"
)

func digest(i int) string { return fmt.Sprintf("sha256:%064x", i) }

var scannedAt = time.Date(2026, 11, 29, 9, 30, 0, 0, time.UTC)

// shop is a small cluster with one row of each kind.
func shop() inventory.Inventory {
	release := inventory.Signer{
		Issuer: "https://token.actions.githubusercontent.com", Repository: "https://github.com/acme/charts",
		Subject:   "https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main",
		TrustRoot: "default", Identities: []string{"acme-release"},
	}
	helmRelease := func(namespace, name string) inventory.Object {
		return inventory.Object{Group: "helm.toolkit.fluxcd.io", Kind: "HelmRelease", Namespace: namespace, Name: name}
	}
	oci := func(chart, version string, i int) inventory.Row {
		return inventory.Row{
			Field: "spec.chart.spec", Reference: "oci://ghcr.io/acme/charts/" + chart + ":" + version, Registry: "ghcr.io", Pinning: "Version", Digest: digest(i),
			Deployed: inventory.Deployed{Revision: version + "@" + digest(i), Manifest: digest(i), Is: inventory.Same},
			Signers:  []inventory.Signer{release}, Verdict: "Verified", Policies: []string{"acme-charts"},
		}
	}
	web, worker := oci("podinfo", "6.7.1", 1), oci("podinfo", "6.7.1", 1)
	web.Object, worker.Object = helmRelease("shop", "web"), helmRelease("shop", "worker")
	web.Message, worker.Message = "HelmRelease shop/web admitted", "HelmRelease shop/worker admitted"

	unsigned := oci("redis", "7.2.4", 2)
	unsigned.Object, unsigned.Signers, unsigned.Verdict, unsigned.Reason = helmRelease("shop", "cache"), nil, "Denied", verdict.SignatureMissing
	unsigned.Message = strings.Join([]string{
		"HelmRelease shop/cache denied (SignatureMissing): oci://ghcr.io/acme/charts/redis:7.2.4@" + digest(2) + " has no signature",
		"  where:    spec.chart.spec",
		"  policy:   acme-charts requires a signature by acme-release (subject https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main, issuer https://token.actions.githubusercontent.com)",
		"  found:    no signature beside the chart",
		"  next:     sign the chart: cosign sign ghcr.io/acme/charts/redis@" + digest(2),
	}, "\n")
	unsigned.Next = "cosign sign ghcr.io/acme/charts/redis@" + digest(2)

	moved := oci("postgres", ">=15.0.0", 3)
	moved.Object, moved.Pinning, moved.Verdict, moved.Reason = helmRelease("billing", "ledger"), "Floating", "Warned", verdict.NotPinned
	moved.Deployed = inventory.Deployed{Revision: "15.4.0@" + digest(4), Manifest: digest(4), Is: inventory.Moved}
	moved.Findings = []inventory.Finding{{Kind: inventory.TagMoved, Detail: "the range now means " + digest(3) + ", and " + digest(4) + " is deployed"}}
	moved.Message = "HelmRelease billing/ledger admitted in Warn mode (NotPinned): oci://ghcr.io/acme/charts/postgres:>=15.0.0 is not pinned"
	moved.Next = `write a complete version, such as "15.4.0", into spec.chart.spec.version`

	old := inventory.Row{
		Object: helmRelease("legacy", "reports"), Field: "spec.chart.spec", Reference: "https://charts.example.com/stable/reports:1.4.2", Registry: "charts.example.com",
		Pinning: "Version", Verdict: "AllowedUnverified", Policies: []string{"legacy-until-spring"}, Message: "HelmRelease legacy/reports admitted unverified: waived by legacy-until-spring until 2027-03-31",
		Findings: []inventory.Finding{{Kind: inventory.WaiverEnding, Detail: "the waiver of legacy-until-spring ends on 2027-03-31"}},
	}
	native := inventory.Row{
		Object: inventory.Object{Group: "argoproj.io", Kind: "Application", Namespace: "argocd", Name: "edge"}, Field: "spec.source", Reference: "oci://registry.partner.example/edge/proxy:2.0.0",
		Registry: "registry.partner.example", Pinning: "Version", Digest: digest(5), Verdict: "Denied", Reason: verdict.NoPolicy,
		Signers: []inventory.Signer{{Key: strings.Repeat("c0ffee42", 8), Unverified: "the public key is not known"}},
		Message: "Application argocd/edge denied (NoPolicy): no policy matches oci://registry.partner.example/edge/proxy:2.0.0", Next: "ask the platform team for a ChartPolicy that matches oci://registry.partner.example/edge/proxy",
	}
	return inventory.Inventory{
		At: scannedAt, From: "production-eu", Policies: "4 policies of the cluster",
		Rows: []inventory.Row{web, worker, unsigned, moved, old, native},
		Outside: []inventory.HelmRelease{
			{Namespace: "ingress", Name: "nginx", Chart: "ingress-nginx", Version: "4.11.3"},
			{Namespace: "monitoring", Name: "prometheus", Chart: "kube-prometheus-stack", Version: "66.2.1"},
		},
		Problems: []inventory.Problem{{What: "Applications in all namespaces", Why: "the API server refused the list", Next: "get the right to list applications.argoproj.io"}},
	}
}

// city is a cluster with n rows.
func city(n int) inventory.Inventory {
	found := shop()
	kinds := found.Rows
	found.Rows = nil
	for i := range n {
		row := kinds[i%len(kinds)]
		row.Object.Name = fmt.Sprintf("%s-%04d", row.Object.Name, i)
		row.Object.Namespace = fmt.Sprintf("team-%02d", i%37)
		found.Rows = append(found.Rows, row)
	}
	return found
}
