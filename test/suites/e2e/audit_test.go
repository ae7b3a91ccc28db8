package e2e_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/test/harness"
)

// TestAuditLog: who deployed which digest, signed by whom, under which policy, is in the cluster's own audit log.
func TestAuditLog(t *testing.T) {
	w := theSite(t)
	w.given(t, repositories())
	for _, tc := range []struct {
		sentence, name, chart string
		want                  map[string]string
	}{
		{
			sentence: "signed", name: "audited-signed", chart: "podinfo:6.7.1",
			want: map[string]string{
				"verdict": "Verified",
				"chart":   "oci://ghcr.io/acme/charts/podinfo:6.7.1",
				"digest":  "sha256:<podinfo:6.7.1>",
				"signer":  "acme-release (" + byRelease + ")",
				"policy":  "acme-charts",
			},
		},
		{
			sentence: "signed by key", name: "audited-key", chart: "key2:1.0.0",
			want: map[string]string{
				"verdict": "Verified",
				"chart":   "oci://ghcr.io/acme/charts/key2:1.0.0",
				"digest":  "sha256:<key2:1.0.0>",
				"signer":  "acme-breakglass (key sha256:<key of acme>)",
				"policy":  "acme-charts",
			},
		},
		{
			sentence: "unsigned", name: "audited-unsigned", chart: "unsigned:1.0.0",
			want: map[string]string{
				"verdict": "Denied",
				"reason":  "SignatureMissing",
				"chart":   "oci://ghcr.io/acme/charts/unsigned:1.0.0",
				"digest":  "sha256:<unsigned:1.0.0>",
			},
		},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			chart, version, _ := strings.Cut(tc.chart, ":")
			object := w.Object(t, helmRelease(tc.name, "{interval: 10m, "+harness.FromRepository("acme", chart, version)+"}"))
			w.try(t, object, false)
			harness.Eventually(t, func() string { return cmp.Diff(tc.want, w.audited(t, tc.name)) })
		})
	}
}

// audited are chartgate's annotations in the audit log for the creation of a HelmRelease.
func (w *site) audited(t *testing.T, name string) map[string]string {
	t.Helper()
	events, err := w.Audit("helmreleases", "apps", name)
	if err != nil {
		t.Fatal(err)
	}
	annotations := map[string]string{}
	for _, event := range events {
		for key, value := range event.Annotations {
			webhook, field, _ := strings.Cut(key, "/")
			if event.Verb == "create" && strings.HasSuffix(webhook, ".chartgate.dev") {
				annotations[field] = w.public(value)
			}
		}
	}
	return annotations
}
