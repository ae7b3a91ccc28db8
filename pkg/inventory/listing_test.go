package inventory_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/inventory"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/verdict"
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

// TestAttackOneTooLargeObjectFailsEveryRun: an object that says more of its charts than is kept is a row of its own. It is
// no problem of the run, which would be tried again every five minutes and never be complete.
func TestAttackOneTooLargeObjectFailsEveryRun(t *testing.T) {
	s := &apiServer{listed: map[string]int{"ocirepositories": 3}, object: func(resource string, at int) string {
		text := numbered(resource, at)
		if at == 1 {
			text = strings.Replace(text, `"spec": {}`, fmt.Sprintf(`"spec": {"suspend": true, "url": "oci://ghcr.io/acme/web", "ref": {"semver": "*", "semverFilter": %q}}`, strings.Repeat("x", 40_000)), 1)
		}
		return text
	}}
	at := s.cluster(t)
	snapshot, err := at.List(t.Context())
	if err != nil || len(snapshot.Problems) > 0 || snapshot.Len() != 3 {
		t.Fatalf("%v, problems %v, %d objects", err, snapshot.Problems, snapshot.Len())
	}
	objects := slices.DeleteFunc(snapshot.Objects(), func(o source.Object) bool { return o.Name != "x-1" })
	inspector := inventory.New(inventory.Options{Extractor: source.NewExtractor(snapshot, source.Options{}), Reader: snapshot, Judged: true, Now: time.Now})
	var rows []inventory.Row
	for row := range inspector.Rows(t.Context(), slices.Values(objects)) {
		row.Message = ""
		rows = append(rows, row)
	}
	want := []inventory.Row{{
		Object:  inventory.Object{Group: "source.toolkit.fluxcd.io", Kind: "OCIRepository", Namespace: "team-1", Name: "x-1", Version: "v1", UID: "u-1"},
		Verdict: "Denied", Reason: verdict.LimitExceeded, Next: "shorten it: names, versions and filters of charts have some hundred bytes",
	}}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if found, err := snapshot.Read(t.Context(), objects[0].ID); err == nil {
		t.Errorf("what refers to it meets %s", found)
	}
}

// A kind that the user may not list is a problem that says what to do, and the others are listed. A
// server that breaks off is none: nothing is known of it.
func TestWhatCannotBeListed(t *testing.T) {
	s := &apiServer{listed: map[string]int{"helmreleases": 3, "helmrepositories": 3}, object: numbered}
	s.before = func(w http.ResponseWriter, resource, _ string) bool {
		if resource != "helmrepositories" {
			return false
		}
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403, "message": "no"}`)
		return true
	}
	at := s.cluster(t)
	for namespace, want := range map[string]inventory.Problem{
		"": {What: "HelmRepositories in all namespaces", Why: "this user may not list them",
			Next: "ask the cluster's admin for the right to list helmrepositories.source.toolkit.fluxcd.io; to check: kubectl auth can-i list helmrepositories.source.toolkit.fluxcd.io -A"},
		"team-1": {What: "HelmRepositories in namespace team-1", Why: "this user may not list them",
			Next: "ask the cluster's admin for the right to list helmrepositories.source.toolkit.fluxcd.io; to check: kubectl auth can-i list helmrepositories.source.toolkit.fluxcd.io -n team-1"},
	} {
		at.Namespace = namespace
		snapshot, err := at.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]inventory.Problem{want}, snapshot.Problems); diff != "" || snapshot.Len() != 3 {
			t.Errorf("%d objects, problems (-want +got):\n%s", snapshot.Len(), diff)
		}
	}
	s.before = func(http.ResponseWriter, string, string) bool { panic(http.ErrAbortHandler) }
	if snapshot, err := at.List(t.Context()); err == nil {
		t.Errorf("a server that breaks off is taken for a problem: %v", snapshot.Problems)
	}
}

// An object that is not in a list is read, unless the list holds all objects of its kind, or the
// cluster does not serve the kind.
func TestReadsBeyondAList(t *testing.T) {
	id := func(kind string) source.ID {
		return source.ID{Group: "source.toolkit.fluxcd.io", Kind: kind, Namespace: "other", Name: "x"}
	}
	live := held{}
	for _, kind := range []string{"HelmChart", "HelmRepository"} {
		live[id(kind)] = source.Object{ID: id(kind)}
	}
	for _, c := range []struct {
		sentence, namespace, kind string
		read                      bool
	}{
		{"a kind that is listed in all namespaces", "", "HelmRepository", false},
		{"a kind that is listed in one namespace", "team-1", "HelmRepository", true},
		{"a kind that is not served", "team-1", "HelmChart", false},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			s := &apiServer{listed: map[string]int{"helmrepositories": 3}, object: numbered}
			at := s.cluster(t)
			at.Namespace, at.Live = c.namespace, live
			snapshot, err := at.List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if found, err := snapshot.Read(t.Context(), id(c.kind)); err != nil || len(found) == 1 != c.read {
				t.Errorf("%v, %v; want read %t", found, err, c.read)
			}
		})
	}
}
