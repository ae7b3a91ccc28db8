package releaseindex_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/chartgate/chartgate/pkg/objects"
	"github.com/chartgate/chartgate/pkg/releaseindex"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/test/fixtures/kube"
)

// releaseServer is what an API server without streamed lists answers about HelmReleases.
type releaseServer struct {
	*httptest.Server
	mu     sync.Mutex
	items  []string // JSON
	broken map[string]string
	limits []string
	events chan string
}

const fluxGroup, helmGroup = "source.toolkit.fluxcd.io", "helm.toolkit.fluxcd.io"

func newReleaseServer(t *testing.T, items ...string) *releaseServer {
	s := &releaseServer{items: items, broken: map[string]string{}, events: make(chan string)}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections) // watches do not end by themselves
	return s
}

func (s *releaseServer) serve(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	query := req.URL.Query()
	switch {
	case query.Get("sendInitialEvents") == "true":
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Invalid","code":422}`)
		return
	case query.Get("watch") == "true":
		w.WriteHeader(http.StatusOK)
		for {
			w.(http.Flusher).Flush()
			select {
			case <-req.Context().Done():
				return
			case event := <-s.events:
				fmt.Fprintln(w, event)
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits = append(s.limits, query.Get("limit"))
	from := 0
	_, _ = fmt.Sscan(query.Get("continue"), &from)
	if body := s.broken[query.Get("continue")]; body != "" {
		fmt.Fprint(w, body)
		return
	}
	to, next := min(from+25, len(s.items)), ""
	if to < len(s.items) {
		next = fmt.Sprint(to)
	}
	fmt.Fprintf(w, `{"apiVersion":"helm.toolkit.fluxcd.io/v2","kind":"HelmReleaseList","metadata":{"resourceVersion":"7","continue":%q},"items":[%s]}`,
		next, strings.Join(s.items[from:to], ","))
}

func (s *releaseServer) repair() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = nil
}

// index starts an index of the server's HelmReleases.
func (s *releaseServer) index(t *testing.T, mapper meta.RESTMapper) *releaseindex.Index {
	t.Helper()
	r := releaseindex.New(&rest.Config{Host: s.URL, QPS: -1}, s.Client(), objects.NewVersions(mapper))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		s.CloseClientConnections()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return r
}

func servesReleases() meta.RESTMapper {
	v2 := schema.GroupVersion{Group: helmGroup, Version: "v2"}
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{v2})
	mapper.Add(v2.WithKind("HelmRelease"), meta.RESTScopeNamespace)
	return mapper
}

func helmReleaseJSON(name, spec string) string {
	return fmt.Sprintf(`{"apiVersion":"helm.toolkit.fluxcd.io/v2","kind":"HelmRelease","metadata":{"name":%q,"namespace":"apps","uid":"uid-%[1]s","resourceVersion":"5",
		"managedFields":[{"manager":"flux"}]},"spec":%s,"status":{"history":[]}}`, name, spec)
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not within two minutes: " + what)
		}
	}
}

func namesOf(t *testing.T, r *releaseindex.Index, kind, name string) []string {
	t.Helper()
	found, err := r.Of(source.ID{Group: fluxGroup, Kind: kind, Namespace: "apps", Name: name})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, o := range found {
		names = append(names, o.Name)
	}
	return names
}

// Large releases come in small pages, and of each only what names its chart is kept.
func TestReleases(t *testing.T) {
	values := `"values":{"x":"` + strings.Repeat("x", 10_000) + `"}`
	var items []string
	for i := range 60 {
		items = append(items, helmReleaseJSON(fmt.Sprintf("r%02d", i), fmt.Sprintf(`{"suspend":true,"chartRef":{"kind":"OCIRepository","name":"x%d"},%s}`, i, values)))
	}
	items = append(items,
		helmReleaseJSON("by-chart", `{"chart":{"spec":{"chart":"podinfo","version":"1.0.0","sourceRef":{"kind":"HelmRepository","name":"acme"},"valuesFiles":["a"]}},`+values+`}`),
		helmReleaseJSON("unreadable", `{"chartRef":1}`),
		helmReleaseJSON("too-long", `{"chart":{"spec":{"chart":"podinfo","version":"`+strings.Repeat("1", 9000)+`","sourceRef":{"kind":"HelmRepository","name":"acme"}}}}`))
	s := newReleaseServer(t, items...)
	r := s.index(t, servesReleases())
	eventually(t, "the index is ready", func() bool { return r.Ready(nil) == nil })
	for _, c := range []struct {
		kind, name string
		want       []string
	}{
		{"OCIRepository", "x59", []string{"r59"}},
		{"OCIRepository", "podinfo", nil},
		{"HelmChart", "x59", nil},
		{"HelmRepository", "acme", []string{"by-chart"}},
		{"HelmChart", "apps-by-chart", []string{"by-chart"}},
	} {
		if diff := cmp.Diff(c.want, namesOf(t, r, c.kind, c.name)); diff != "" {
			t.Errorf("%s %s:\n%s", c.kind, c.name, diff)
		}
	}
	found, err := r.Of(source.ID{Group: fluxGroup, Kind: "HelmRepository", Namespace: "apps", Name: "acme"})
	if err != nil || len(found) != 1 {
		t.Fatal(err, len(found))
	}
	want := `{"apiVersion":"helm.toolkit.fluxcd.io/v2","kind":"HelmRelease","metadata":{"name":"by-chart","namespace":"apps","uid":"uid-by-chart"},` +
		`"spec":{"chart":{"spec":{"chart":"podinfo","version":"1.0.0","sourceRef":{"kind":"HelmRepository","name":"acme"}}}}}`
	if diff := cmp.Diff(want, string(found[0].JSON)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"25", "25", "25"}, s.limits); diff != "" {
		t.Error(diff)
	}
}

func TestReleasesFollowChanges(t *testing.T) {
	s := newReleaseServer(t)
	r := s.index(t, servesReleases())
	eventually(t, "the index is ready", func() bool { return r.Ready(nil) == nil })
	event := func(kind, object string) {
		s.events <- fmt.Sprintf(`{"type":%q,"object":%s}`, kind, object)
	}
	event("ADDED", helmReleaseJSON("a", `{"chartRef":{"kind":"OCIRepository","name":"x"}}`))
	eventually(t, "a new release is found", func() bool { return len(namesOf(t, r, "OCIRepository", "x")) == 1 })
	event("BOOKMARK", `{"apiVersion":"helm.toolkit.fluxcd.io/v2","kind":"HelmRelease","metadata":{"resourceVersion":"9"}}`)
	event("MODIFIED", helmReleaseJSON("a", `{"chartRef":{"kind":"OCIRepository","name":"y"}}`))
	eventually(t, "a change is found", func() bool {
		return len(namesOf(t, r, "OCIRepository", "x")) == 0 && len(namesOf(t, r, "OCIRepository", "y")) == 1
	})
	event("DELETED", helmReleaseJSON("a", `{"chartRef":{"kind":"OCIRepository","name":"y"}}`))
	eventually(t, "what is deleted is gone", func() bool { return len(namesOf(t, r, "OCIRepository", "y")) == 0 })
}

// Until everything has been read, "no release" is not an answer.
func TestReleasesThatCannotBeRead(t *testing.T) {
	var items []string
	for i := range 30 {
		items = append(items, helmReleaseJSON(fmt.Sprintf("r%02d", i), `{"chartRef":{"kind":"OCIRepository","name":"x"}}`))
	}
	for _, c := range []struct{ sentence, page, body string }{
		{"a page that is not a list", "", `{"apiVersion":"helm.toolkit.fluxcd.io/v2","kind":"HelmReleaseList","metadata":{},"items":[]}`},
		{"a second page that fails", "25", `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"InternalError","code":500}`},
		{"a page in HTML", "", `<html>`},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			s := newReleaseServer(t, items...)
			s.broken[c.page] = c.body
			r := s.index(t, servesReleases())
			eventually(t, "it has been asked", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.limits) > 0 })
			if found, err := r.Of(source.ID{Group: fluxGroup, Kind: "OCIRepository", Namespace: "apps", Name: "x"}); err == nil || r.Ready(nil) == nil {
				t.Errorf("%d releases, error %v, ready %v", len(found), err, r.Ready(nil))
			}
			s.repair()
			eventually(t, "it is read in the end", func() bool { return r.Ready(nil) == nil })
			if found := namesOf(t, r, "OCIRepository", "x"); len(found) != 30 {
				t.Errorf("found %d", len(found))
			}
		})
	}
}

// growingMapper serves no HelmReleases until Flux is installed.
type growingMapper struct {
	mu        sync.Mutex
	installed bool
	broken    error
	meta.RESTMapper
}

func (m *growingMapper) RESTMapping(kind schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.broken != nil:
		return nil, m.broken
	case !m.installed:
		return nil, &meta.NoKindMatchError{GroupKind: kind}
	default:
		return m.RESTMapper.RESTMapping(kind, versions...)
	}
}

func TestReleasesOfAClusterWithoutFlux(t *testing.T) {
	s := newReleaseServer(t, helmReleaseJSON("a", `{"chartRef":{"kind":"OCIRepository","name":"x"}}`))
	mapper := &growingMapper{RESTMapper: servesReleases(), broken: kube.ErrInjected}
	r := s.index(t, mapper)
	if _, err := r.Of(source.ID{}); err == nil {
		t.Error("an API server that does not say what it serves counts as one without Flux")
	}
	mapper.mu.Lock()
	mapper.broken = nil
	mapper.mu.Unlock()
	eventually(t, "without Flux there is nothing to read", func() bool { return r.Ready(nil) == nil })
	if found := namesOf(t, r, "OCIRepository", "x"); len(found) > 0 {
		t.Errorf("found %s", found)
	}
	mapper.mu.Lock()
	mapper.installed = true
	mapper.mu.Unlock()
	eventually(t, "Flux is noticed", func() bool { return len(namesOf(t, r, "OCIRepository", "x")) == 1 })
}
