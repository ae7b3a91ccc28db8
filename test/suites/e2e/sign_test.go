package e2e_test

import "testing"

// TestSignAndApplyAgain: a denial is never remembered.
func TestSignAndApplyAgain(t *testing.T) {
	w := theSite(t)
	w.given(t, repositories())
	object := w.Object(t, releaseOf("late", "1.0.0"))
	if got := w.try(t, object, false); len(got.Causes) != 1 || got.Causes[0] != "SignatureMissing spec.chart.spec" {
		t.Fatalf("before: %+v", got)
	}
	digest := w.digest("ghcr.io/acme/charts/late:1.0.0")
	if err := cosign3("acme")(t.Context(), w.shop, "ghcr.io", "acme/charts/late", digest); err != nil {
		t.Fatal(err)
	}
	if got := w.try(t, object, false); len(got.Causes) > 0 {
		t.Errorf("after: %s", got.Message)
	}
}
