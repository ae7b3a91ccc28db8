package faults_test

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"regexp"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/objects"
	"github.com/chartgate/chartgate/pkg/source"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

// apiServer is the part of an API server that chartgate reads: discovery, and the objects of a
// test.
type apiServer struct {
	server *httptest.Server

	mu      sync.Mutex
	answers map[string]any // by path
	paths   *regexp.Regexp // that meet the fault
	fault   registrytest.Fault
}

func newAPIServer() *apiServer {
	a := &apiServer{answers: discovery()}
	a.server = httptest.NewUnstartedServer(http.HandlerFunc(a.serve))
	a.server.Config.ErrorLog = log.New(io.Discard, "", 0) // faults abort connections on purpose
	a.server.StartTLS()
	return a
}

// Close stops the server, also in the middle of an answer.
func (a *apiServer) Close() {
	a.server.CloseClientConnections()
	a.server.Close()
}

// Put stores an object at a path, as JSON.
func (a *apiServer) Put(path string, object any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answers[path] = object
}

// Remove makes a path answer 404.
func (a *apiServer) Remove(path string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.answers, path)
}

// Fail lets the fault answer requests for paths that match the regular expression.
func (a *apiServer) Fail(paths string, fault registrytest.Fault) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.paths, a.fault = regexp.MustCompile(paths), fault
}

// Heal removes the fault.
func (a *apiServer) Heal() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.paths, a.fault = nil, nil
}

func (a *apiServer) serve(w http.ResponseWriter, req *http.Request) {
	a.mu.Lock()
	answer, known := a.answers[req.URL.Path]
	fault := a.fault
	if fault != nil && !a.paths.MatchString(req.URL.Path) {
		fault = nil
	}
	a.mu.Unlock()
	healthy := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if !known {
			answer = map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
			w.WriteHeader(http.StatusNotFound)
		}
		_ = json.NewEncoder(w).Encode(answer)
	})
	if fault != nil {
		fault(w, req, healthy)
		return
	}
	healthy(w, req)
}

// discovery is an API server's answer about the kinds that it serves.
func discovery() map[string]any {
	groups := []map[string]any{}
	answers := map[string]any{
		"/api":    map[string]any{"kind": "APIVersions", "versions": []string{"v1"}},
		"/api/v1": resources("v1", "ConfigMap", "configmaps"),
	}
	for _, served := range []struct {
		group, version string
		kinds          []string
	}{
		{"source.toolkit.fluxcd.io", "v1", []string{"HelmRepository", "helmrepositories"}},
		{"helm.toolkit.fluxcd.io", "v2", []string{"HelmRelease", "helmreleases"}},
		{"chartgate.dev", "v1alpha1", []string{"ChartPolicy", "chartpolicies", "TrustedIdentity", "trustedidentities"}},
	} {
		groupVersion := served.group + "/" + served.version
		version := map[string]any{"groupVersion": groupVersion, "version": served.version}
		groups = append(groups, map[string]any{"name": served.group, "versions": []any{version}, "preferredVersion": version})
		answers["/apis/"+groupVersion] = resources(groupVersion, served.kinds...)
	}
	answers["/apis"] = map[string]any{"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
	return answers
}

// resources is what is served in a version: kinds, each followed by its plural.
func resources(groupVersion string, kinds ...string) map[string]any {
	var list []any
	for i := 0; i < len(kinds); i += 2 {
		list = append(list, map[string]any{"name": kinds[i+1], "kind": kinds[i], "namespaced": groupVersion != "chartgate.dev/v1alpha1", "verbs": []string{"get", "list"}})
	}
	return map[string]any{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": groupVersion, "resources": list}
}

// objects reads through the product's own reader and client-go, as "chartgate serve" does.
func (a *apiServer) objects(t *testing.T) *objects.Reader {
	t.Helper()
	config := a.config()
	web, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	mapper, err := objects.NewMapper(config, web)
	if err != nil {
		t.Fatal(err)
	}
	return objects.NewReader(a.reader(t), objects.NewVersions(mapper), a)
}

// Of implements objects.ReleaseIndex. Rows do not need HelmReleases: TestReleasesThatCannotBeRead
// in pkg/releaseindex tests the faults of the index.
func (*apiServer) Of(source.ID) ([]source.Object, error) { return nil, nil }

// reader reads from the API server without a cache.
func (a *apiServer) reader(t *testing.T) client.Reader {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	reader, err := client.New(a.config(), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return reader
}

func (a *apiServer) config() *rest.Config {
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.server.Certificate().Raw})
	return &rest.Config{Host: a.server.URL, QPS: -1, TLSClientConfig: rest.TLSClientConfig{CAData: ca}}
}
