package e2e_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/test/harness"
)

var (
	// age is the last column of kubectl's tables, with the blanks before it.
	age = regexp.MustCompile(`(?m) +(AGE|[0-9]+[smhd][0-9smhd]*)$`)
	// gap is the space between columns. Its width is that of the longest name of a registry.
	gap = regexp.MustCompile(`  +`)
)

// TestColumns: the columns that kubectl shows of chartgate's resources.
func TestColumns(t *testing.T) {
	w := theSite(t)
	for _, tc := range []struct {
		sentence string
		args     []string
		want     string
	}{
		{
			sentence: "policies",
			args:     []string{"get", "chartpolicies", "legacy-charts", "ended", "warning"},
			want: `
NAME  CHARTS  MODE  UNVERIFIED UNTIL  READY
legacy-charts  https://charts.legacy.example/**  Enforce  2099-12-31  True
ended  https://charts.ended.example/**  Enforce  2020-12-31  True
warning  oci://ghcr.io/acme/warn/*  Warn  True`,
		},
		{
			sentence: "identities, by the short name",
			args:     []string{"get", "ti", "acme-breakglass", "billing-release"},
			want: `
NAME  ISSUER  SUBJECT  READY
acme-breakglass  True
billing-release  https://token.actions.githubusercontent.com  https://github.com/acme/billing/.github/workflows/release.yaml@refs/heads/main  True`,
		},
		{
			sentence: "the message, where there is room",
			args:     []string{"get", "cp", "ended", "-o", "wide"},
			want: `
NAME  CHARTS  MODE  UNVERIFIED UNTIL  READY  MESSAGE
ended  https://charts.ended.example/**  Enforce  2020-12-31  True  the policy is in force; spec.allowUnverified.until: 2020-12-31 has passed, so the policy denies every chart that it matches; write a later day, or delete the policy`,
		},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			harness.Eventually(t, func() string {
				out, err := w.Kubectl(t.Context(), "", tc.args...)
				if err != nil {
					t.Fatal(err)
				}
				got := gap.ReplaceAllString(age.ReplaceAllString(w.public(out.Stdout), ""), "  ")
				if diff := cmp.Diff(strings.TrimSpace(tc.want), strings.TrimSpace(got)); diff != "" {
					return diff + "\nThe table is\n" + got
				}
				return ""
			})
		})
	}
}

// TestCategoryListsEverything: `kubectl get chartgate` is what the chart's notes tell the admin to
// run.
func TestCategoryListsEverything(t *testing.T) {
	w := theSite(t)
	out, err := w.Kubectl(t.Context(), "", "get", "chartgate", "-o", "name")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"chartpolicy.chartgate.dev/acme-charts", "trustedidentity.chartgate.dev/acme-release"} {
		if !strings.Contains(out.Stdout, name+"\n") {
			t.Errorf("%s is missing in\n%s", name, out.Stdout)
		}
	}
}

// TestExplain: the documentation of every field is in the cluster.
func TestExplain(t *testing.T) {
	w := theSite(t)
	for field, want := range map[string]string{
		"chartpolicy.spec":                           "Require lists the requirements of a chart. All of them must be satisfied.",
		"chartpolicy.spec.match.charts":              `"*" stands for any characters within one path segment`,
		"chartpolicy.spec.allowUnverified.until":     "Until is the last day of the waiver, in UTC",
		"trustedidentity.spec.keyless.subjectRegExp": "SubjectRegExp matches the whole subject (RE2 syntax, anchored at both ends).",
		"trustedidentity.spec.key.transparencyLog":   "ENUM:\n Required\n NotRequired",
	} {
		out, err := w.Kubectl(t.Context(), "", "explain", field)
		if err != nil {
			t.Error(err)
			continue
		}
		if blanks := regexp.MustCompile(` +`); !strings.Contains(blanks.ReplaceAllString(out.Stdout, " "), want) {
			t.Errorf("explain %s lacks %q:\n%s", field, want, out.Stdout)
		}
	}
}

// TestKubectlShows what a developer reads in a terminal.
func TestKubectlShows(t *testing.T) {
	w := theSite(t)
	w.given(t, repositories())

	warned := releaseFrom("team", "warn/app", "1.0.0")
	out, err := w.Kubectl(t.Context(), w.local(warned), "create", "-f", "-")
	w.RemoveAfter(t, w.Object(t, warned))
	if err != nil {
		t.Fatal(err)
	}
	const warning = "Warning: chartgate would deny this (SignatureMissing): oci://ghcr.io/acme/warn/app:1.0.0@sha256:<app:1.0.0> has no signature; " +
		"policy: warning requires " + wantsRelease + "; next: the workflow https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main must sign it: cosign sign --yes ghcr.io/acme/warn/app@sha256:<app:1.0.0>"
	if got := strings.TrimSpace(w.public(out.Stderr)); got != warning {
		t.Errorf("got %q, want %q", got, warning)
	}

	_, err = w.Kubectl(t.Context(), w.local(w.sample("denied/unsigned.yaml")), "create", "-f", "-")
	if err == nil {
		t.Fatal("kubectl created an unsigned HelmRelease")
	}
	text := w.public(err.Error())
	for _, line := range []string{
		"HelmRelease apps/unsigned denied (SignatureMissing): oci://ghcr.io/acme/charts/unsigned:1.0.0@sha256:<unsigned:1.0.0> has no signature\n",
		"\n  policy:   " + acmeWants + "\n",
		"\n  next:     the workflow https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main must sign it: cosign sign --yes ghcr.io/acme/charts/unsigned@sha256:<unsigned:1.0.0>\n",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("kubectl shows\n%s\nwithout %q", text, line)
		}
	}
}

// TestKubectlShowsMistakes at their fields: those in chartgate's own resources have the status
// Invalid.
func TestKubectlShowsMistakes(t *testing.T) {
	w := theSite(t)
	for _, tc := range []struct{ sentence, object, want string }{
		{"one", harness.Policy("wrong", "{match: {charts: ['oci://ghcr.io']}, require: [{anyOf: [acme-release]}]}"),
			`The ChartPolicy "wrong" is invalid: spec.match.charts[0]: Invalid value: "oci://ghcr.io": names a registry but no charts; append /** for all of them`},
		{"two", harness.Policy("wrong", "{match: {charts: ['oci://ghcr.io/x/**'], exclude: [x]}, allowUnverified: {reason: ' ', until: '2099-01-31'}}"), `
The ChartPolicy "wrong" is invalid: 
* spec.match.exclude[0]: Invalid value: "x": must start with oci://, https://, http://, git:// or bucket://
* spec.allowUnverified.reason: Required value: the reason must not be blank`},
		{"without the value", harness.Identity("wrong", "{key: {pem: cosign.pub}}"),
			`The TrustedIdentity "wrong" is invalid: spec.key.pem: no PEM block found; write the content of cosign.pub, from "-----BEGIN PUBLIC KEY-----" on`},
		{"in the ConfigMap", strings.TrimSuffix(identitiesConfigMap, "}") + ", data: {identities.yaml: '[{name: x, charts: [\"oci://ghcr.io/x/**\"], keyless: {issuer: 1, subject: s}}]'}}",
			`The ConfigMap "chartgate-identities" is invalid: data[identities.yaml].keyless.issuer: must be a text, in quotes if it looks like a number or a truth value, and is a number`},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			_, err := w.Kubectl(t.Context(), tc.object, "apply", "--dry-run=server", "-f", "-")
			if err == nil || !strings.Contains(err.Error(), strings.TrimSpace(tc.want)) {
				t.Errorf("kubectl shows %v", err)
			}
		})
	}
}

// TestAuditLog: who deployed which digest, by which signer, under which policy, is in the cluster's
// own audit log.
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
