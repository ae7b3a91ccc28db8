package e2e_test

import (
	"bytes"
	"testing"

	"github.com/chartgate/chartgate/test/fixtures/otlp"
	"github.com/chartgate/chartgate/test/harness"
)

// TestTraces: an admission is a span, and the requests to registries that it caused are its
// children.
func TestTraces(t *testing.T) {
	w := theSite(t)
	w.given(t, repositories())
	// No other test asks for this version, so its admission is the one that asks the registry.
	w.try(t, w.Object(t, releaseOf("podinfo", "77.0.0")), true)
	harness.Eventually(t, func() string {
		spans := w.collector.Spans()
		for _, admission := range spans {
			if admission.Name != "admission" || len(admission.Events) != 1 || !bytes.Contains([]byte(admission.Events[0].String()), []byte("podinfo:77.0.0")) {
				continue
			}
			for _, request := range spans {
				if bytes.Equal(request.ParentSpanId, admission.SpanId) && otlp.Attribute(request, "server.address") == "127.0.0.1" {
					return ""
				}
			}
		}
		return "the collector has no admission of podinfo:77.0.0 with a request to the registry"
	})
}

// TestProfiles: profiles are served where the chart's value says so, and only there.
func TestProfiles(t *testing.T) {
	if body, err := theOldSite(t).Gate.Monitor(t.Context(), "/debug/pprof/heap?debug=1"); err == nil {
		t.Errorf("without the value: %s", body)
	}
	for _, path := range []string{"/debug/pprof/heap?debug=1", "/debug/pprof/cmdline", "/debug/pprof/profile?seconds=1"} {
		if _, err := theSite(t).Gate.Monitor(t.Context(), path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}
