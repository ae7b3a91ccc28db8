package e2e_test

import (
	"strings"
	"testing"
)

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
