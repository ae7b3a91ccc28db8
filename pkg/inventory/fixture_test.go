package inventory_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/chartgate/chartgate/pkg/inventory"
	"github.com/chartgate/chartgate/pkg/objects"
)

// apiServer answers lists of Flux's objects as an API server does, page by page. test/suites/scan
// has a real one; this one has as many objects as a test wants, and answers that a real one gives
// after minutes only.
type apiServer struct {
	// listed is the number of objects by resource; others are not served.
	listed map[string]int
	// object is the JSON of the object at a position of its list.
	object func(resource string, at int) string
	// before may answer a list of the resource from that position on in place of the server.
	before func(w http.ResponseWriter, resource, token string) (answered bool)
	lists  []string // the tokens asked for
}

// resources are those of the kinds, by their group.
var resources = map[string][2]string{
	"helmreleases":     {"helm.toolkit.fluxcd.io/v2", "HelmRelease"},
	"helmrepositories": {"source.toolkit.fluxcd.io/v1", "HelmRepository"},
	"helmcharts":       {"source.toolkit.fluxcd.io/v1", "HelmChart"},
	"ocirepositories":  {"source.toolkit.fluxcd.io/v1", "OCIRepository"},
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/"); {
	case r.URL.Path == "/api":
		fmt.Fprint(w, `{"kind": "APIVersions", "versions": ["v1"]}`)
	case r.URL.Path == "/api/v1":
		fmt.Fprint(w, `{"kind": "APIResourceList", "groupVersion": "v1", "resources": []}`)
	case r.URL.Path == "/apis":
		s.groups(w)
	case len(parts) == 3:
		s.resourcesOf(w, parts[1]+"/"+parts[2])
	default:
		s.list(w, parts[len(parts)-1], r.URL.Query().Get("continue"), r.URL.Query().Get("limit"))
	}
}

func (s *apiServer) groups(w http.ResponseWriter) {
	list := metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}}
	seen := map[string]bool{}
	for resource := range s.listed {
		of := resources[resource][0]
		group, version, _ := strings.Cut(of, "/")
		if seen[group] {
			continue
		}
		seen[group] = true
		served := metav1.GroupVersionForDiscovery{GroupVersion: of, Version: version}
		list.Groups = append(list.Groups, metav1.APIGroup{Name: group, Versions: []metav1.GroupVersionForDiscovery{served}, PreferredVersion: served})
	}
	_ = json.NewEncoder(w).Encode(list)
}

func (s *apiServer) resourcesOf(w http.ResponseWriter, of string) {
	list := metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: of}
	for resource := range s.listed {
		if resources[resource][0] == of {
			list.APIResources = append(list.APIResources, metav1.APIResource{Name: resource, Kind: resources[resource][1], Namespaced: true, Verbs: []string{"list", "get"}})
		}
	}
	if len(list.APIResources) == 0 {
		http.Error(w, `{"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}`, http.StatusNotFound)
		return
	}
	_ = json.NewEncoder(w).Encode(list)
}

func (s *apiServer) list(w http.ResponseWriter, resource, token, limit string) {
	s.lists = append(s.lists, token)
	if s.before != nil && s.before(w, resource, token) {
		return
	}
	from, _ := strconv.Atoi(token)
	size, _ := strconv.Atoi(limit)
	to := min(from+size, s.listed[resource])
	next := ""
	if to < s.listed[resource] {
		next = strconv.Itoa(to)
	}
	of := resources[resource]
	fmt.Fprintf(w, `{"kind": "%sList", "apiVersion": "%s", "metadata": {"resourceVersion": "1", "continue": "%s"}, "items": [`, of[1], of[0], next)
	for at := from; at < to; at++ {
		if at > from {
			fmt.Fprint(w, ",")
		}
		fmt.Fprint(w, s.object(resource, at))
	}
	fmt.Fprint(w, "]}")
}

// cluster returns what lists the server's objects.
func (s *apiServer) cluster(t testing.TB) inventory.Cluster {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	config := &rest.Config{Host: server.URL, QPS: -1}
	mapper, err := objects.NewMapper(config, server.Client())
	if err != nil {
		t.Fatal(err)
	}
	return inventory.Cluster{Config: config, HTTP: server.Client(), Versions: objects.NewVersions(mapper)}
}

// numbered is an object with its position in names, all in one of ten namespaces.
func numbered(resource string, at int) string {
	of, namespace := resources[resource], fmt.Sprintf("team-%d", at%10)
	spec, status := `{}`, `{}`
	switch resource {
	case "helmreleases":
		spec = fmt.Sprintf(`{"suspend": true, "chart": {"spec": {"chart": "chart-%d", "version": "1.0.0", "sourceRef": {"kind": "HelmRepository", "name": "charts-%d"}}}}`, at, at%10)
		status = fmt.Sprintf(`{"helmChart": "%s/x-%d", "history": [{"name": "x", "chartVersion": "1.0.0", "status": "deployed"}]}`, namespace, at)
	case "helmrepositories":
		spec = `{"type": "oci", "url": "oci://ghcr.io/acme"}`
		return fmt.Sprintf(`{"apiVersion": %q, "kind": %q, "metadata": {"name": "charts-%d", "namespace": %q, "uid": "u-%d"}, "spec": %s}`, of[0], of[1], at, namespace, at, spec)
	}
	return fmt.Sprintf(`{"apiVersion": %q, "kind": %q, "metadata": {"name": "x-%d", "namespace": %q, "uid": "u-%d", "managedFields": [{"manager": "x"}]}, "spec": %s, "status": %s}`,
		of[0], of[1], at, namespace, at, spec, status)
}
