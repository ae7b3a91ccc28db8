package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chartgate/chartgate/test/fixtures/sigstore"
	"github.com/chartgate/chartgate/test/harness"
)

// TestValidity: the time at which a chart was signed must lie in the identity's window.
func TestValidity(t *testing.T) {
	w := theSite(t)
	foreign := newCorp(t).sigstore
	key, err := sigstore.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	signedAt := time.Now().UTC().Truncate(time.Second).AddDate(0, 0, -30)
	at := sigstore.At(signedAt)
	w.add(t, "ghcr.io/acme/window/bundle:1.0.0", bundle(release(), at))
	w.add(t, "ghcr.io/acme/window/legacy:1.0.0", legacy(release(), at))
	w.add(t, "ghcr.io/acme/window/key:1.0.0", bundle(key, at))
	w.add(t, "ghcr.io/acme/window/stamped:1.0.0", bundle(key, at, sigstore.WithoutLog()))
	w.add(t, "ghcr.io/acme/window/untimed:1.0.0", bundle(key, at, sigstore.WithoutLog(), sigstore.WithoutTimestamp()))
	w.add(t, "ghcr.io/acme/window/foreign:1.0.0", bundleIn(foreign, key, at))
	w.add(t, "ghcr.io/acme/window/two:1.0.0", bundle(release(), at), bundle(release()))
	w.given(t, repositories())

	text := func(days int) string { return signedAt.AddDate(0, 0, days).Format(time.RFC3339) }
	workflow := "keyless: {issuer: https://token.actions.githubusercontent.com, subject: https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main}"
	public, err := key.PEM()
	if err != nil {
		t.Fatal(err)
	}
	byKey := "key: {transparencyLog: NotRequired, pem: " + fmt.Sprintf("%q", public) + "}"
	until := func(days int) string { return fmt.Sprintf(", validity: {notAfter: %q}", text(days)) }
	since := func(days int) string { return fmt.Sprintf(", validity: {notBefore: %q}", text(days)) }
	late := "window signed it at " + text(0) + ", after validity.notAfter " + text(-1)
	early := "window signed it at " + text(0) + ", before validity.notBefore " + text(1)
	const untimed = "window signed it at a time that no log or timestamp proves, while validity is limited"
	for _, tc := range []struct {
		sentence, chart, identity string
		why                       string // of the denial; "" if it is admitted
	}{
		{"a certificate in a window that has ended since", "bundle", workflow + until(1), ""},
		{"a certificate after the end", "bundle", workflow + until(-1), late},
		{"a certificate before the beginning", "bundle", workflow + since(1), early},
		{"a legacy signature in the window", "legacy", workflow + until(1), ""},
		{"a legacy signature after the end", "legacy", workflow + until(-1), late},
		{"a key in the window", "key", byKey + until(1), ""},
		{"a key after the end", "key", byKey + until(-1), late},
		{"a key before the beginning", "key", byKey + since(1), early},
		{"a key with a timestamp and no log entry", "stamped", byKey + until(1), ""},
		{"a key with a timestamp after the end", "stamped", byKey + until(-1), late},
		{"a key without any time, with an end", "untimed", byKey + until(400), untimed},
		{"a key without any time, with a beginning", "untimed", byKey + since(-400), untimed},
		{"a key without any time, without a window", "untimed", byKey, ""},
		// A thief of a key can run their own log and timestamp authority.
		{"a time that only a stranger's log has signed", "foreign", byKey + until(1), untimed},
		{"one signature of two in the window", "two", workflow + until(1), ""},
		{"the other one of two in the window", "two", workflow + since(1), ""},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			w.given(t, window(tc.identity))
			if tc.why == "" {
				w.admits(t, "window/"+tc.chart)
				return
			}
			w.says(t, "window/"+tc.chart, tc.why)
		})
	}
}

// TestCachedEvidenceMeetsTheValidityWindow: an admin who ends an identity's window because its key
// was stolen must not have to wait for caches, and no chart has to be signed again when a window is
// corrected.
func TestCachedEvidenceMeetsTheValidityWindow(t *testing.T) {
	w := theSite(t)
	signedAt := time.Now().UTC().Truncate(time.Second).AddDate(0, 0, -30)
	w.add(t, "ghcr.io/acme/window/moved:1.0.0", bundle(release(), sigstore.At(signedAt)))
	digest := w.digest("ghcr.io/acme/window/moved:1.0.0")
	identity := func(validity string) string {
		return "keyless: {issuer: https://token.actions.githubusercontent.com, subject: https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main}" + validity
	}
	w.given(t, window(identity("")))
	object := w.Object(t, ociAt("oci://ghcr.io/acme/window/moved", "{digest: '"+digest+"'}"))
	w.becomes(t, object, harness.Answer{})
	w.registry.Reset()
	w.becomes(t, object, harness.Answer{})
	if n := len(w.registry.Requests()); n != 0 {
		t.Errorf("%d requests for a chart that was just verified: the test would prove nothing", n)
	}
	move := func(validity string) {
		t.Helper()
		if err := w.ApplyText(t.Context(), window(identity(validity))); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		move(fmt.Sprintf(", validity: {notAfter: %q}", signedAt.AddDate(0, 0, -1).Format(time.RFC3339)))
		harness.Eventually(t, func() string {
			if got := w.try(t, object, true); len(got.Causes) != 1 || got.Causes[0] != "IdentityNotAllowed spec.ref" {
				return fmt.Sprintf("%+v", got)
			}
			return ""
		})
		move(fmt.Sprintf(", validity: {notAfter: %q}", signedAt.AddDate(0, 0, 1).Format(time.RFC3339)))
		w.becomes(t, object, harness.Answer{})
	}
}

// window is the identity of this name, and its policy.
func window(spec string) string {
	return harness.Identity("window", "{"+spec+"}") +
		harness.Policy("window", `{match: {charts: ["oci://ghcr.io/acme/window/*"]}, require: [{anyOf: [window]}]}`)
}
