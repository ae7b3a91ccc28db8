package inventory_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/inventory"
)

// A list that has expired goes on with the token that the API server offers, or begins again; no
// object is lost, and none counts twice.
func TestExpiredLists(t *testing.T) {
	expired := func(w http.ResponseWriter, token string) {
		w.WriteHeader(http.StatusGone)
		fmt.Fprintf(w, `{"kind": "Status", "apiVersion": "v1", "metadata": {"continue": %q}, "status": "Failure", "message": "too old", "reason": "Expired", "code": 410}`, token)
	}
	for _, c := range []struct {
		sentence string
		offers   string
		times    int
		asked    string
		fails    bool
	}{
		{"it goes on where the server says", "50", 1, "| 25| 50| 50| 75", false},
		{"it begins again without an offer", "", 1, "| 25| 50|| 25| 50| 75", false},
		{"it does not begin again for ever", "", 100, "", true},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			left := c.times
			s := &apiServer{listed: map[string]int{"helmreleases": 90}, object: numbered}
			s.before = func(w http.ResponseWriter, _, token string) bool {
				if token != "50" || left == 0 {
					return false
				}
				left--
				expired(w, c.offers)
				return true
			}
			at := s.cluster(t)
			snapshot, err := at.List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if c.fails != (len(snapshot.Problems) == 1) || !c.fails && snapshot.Len() != 90 {
				t.Errorf("%d objects, problems %v", snapshot.Len(), snapshot.Problems)
			}
			if asked := strings.Join(s.lists, "| "); !c.fails && strings.ReplaceAll(asked, "|  ", "|| ") != c.asked && asked != strings.ReplaceAll(c.asked, "||", "| |") {
				t.Errorf("asked for %q, want %q", asked, c.asked)
			}
		})
	}
}

// What a list keeps of an object is what names its chart; the rest, and managedFields above all, is
// let go. A release is examined though it is suspended.
func TestWhatIsKept(t *testing.T) {
	s := &apiServer{listed: map[string]int{"helmreleases": 1}, object: func(resource string, at int) string {
		return strings.Replace(numbered(resource, at), `"suspend": true`, `"suspend": true, "values": {"password": "canary"}, "interval": "1m"`, 1)
	}}
	at := s.cluster(t)
	snapshot, err := at.List(t.Context())
	if err != nil || snapshot.Len() != 1 {
		t.Fatal(snapshot, err)
	}
	const want = `{"apiVersion":"helm.toolkit.fluxcd.io/v2","kind":"HelmRelease","metadata":{"name":"x-0","namespace":"team-0","uid":"u-0"},` +
		`"spec":{"chart":{"spec":{"chart":"chart-0","version":"1.0.0","sourceRef":{"kind":"HelmRepository","name":"charts-0"}}}},` +
		`"status":{"helmChart":"team-0/x-0","history":[{"chartVersion":"1.0.0","name":"x","status":"deployed"}]}}`
	if diff := cmp.Diff(want, string(snapshot.Objects()[0].JSON)); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
}

// An object that says too much of its charts is a problem of its own; the others are listed.
func TestTooLargeObjects(t *testing.T) {
	s := &apiServer{listed: map[string]int{"helmreleases": 3}, object: func(resource string, at int) string {
		text := numbered(resource, at)
		if at == 1 {
			text = strings.Replace(text, "chart-1", strings.Repeat("x", 40_000), 1)
		}
		return text
	}}
	at := s.cluster(t)
	snapshot, err := at.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []inventory.Problem{{What: "HelmRelease team-1/x-1", Why: "what HelmRelease team-1/x-1 says of its charts has more than 32 KiB"}}
	if diff := cmp.Diff(want, snapshot.Problems); diff != "" || snapshot.Len() != 2 {
		t.Errorf("%d objects, problems (-want +got):\n%s", snapshot.Len(), diff)
	}
}
