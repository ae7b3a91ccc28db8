package argov3

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/git"
	"github.com/argoproj/argo-cd/v3/util/helm"
	"github.com/argoproj/argo-cd/v3/util/oci"
	"github.com/argoproj/argo-cd/v3/util/versions"

	"github.com/chartgate/chartgate/test/contract"
)

var argo = contract.Argo{
	Module:        "github.com/argoproj/argo-cd/v3",
	Application:   reflect.TypeFor[v1alpha1.Application](),
	Pulls:         pulls,
	HelmPull:      helmPull,
	NativePull:    nativePull,
	IsHelmOciRepo: helm.IsHelmOciRepo,
	SameURL:       git.SameURL,
	IsVersion:     versions.IsVersion,
	MaxVersion:    versions.MaxVersion,
	Sources:       contract.Sources(),
	Fields:        fields(),
	Transcribed: map[string]string{
		"controller/appcontroller.go processRequestedAppOperation":         "31bd2785cccd",
		"controller/sync.go SyncAppState":                                  "d5e74793e66d",
		"controller/sync.go newSyncOperationResult":                        "18e359742261",
		"controller/state.go CompareAppState":                              "e5bb1110a8cd",
		"controller/state.go GetRepoObjs":                                  "3728c60e4b95",
		"reposerver/repository/repository.go runRepoOperation":             "5048e05c5ab5",
		"reposerver/repository/repository.go newHelmClientResolveRevision": "ce1cc7f57773",
		"reposerver/repository/repository.go newOCIClientResolveRevision":  "301976ddb167",
	},
}

// fields are those of both versions, and what 3.2 adds.
func fields() map[string]map[string]contract.Treatment {
	all := contract.Fields()
	all["RetryStrategy"]["refresh"] = contract.Decides
	return all
}

func TestMain(m *testing.M) { contract.Main(m) }

func TestContract(t *testing.T) { contract.Run(t, argo) }

func helmPull(t *testing.T, repoURL, chart, revision string) []string {
	return contract.FalseHelm(t, func() {
		client := helm.NewClient(repoURL, helm.HelmCreds{}, helm.IsHelmOciRepo(repoURL), "", "")
		if _, _, err := client.ExtractChart(chart, revision, false, 1<<20, false); err == nil {
			t.Error("the false helm pulled a chart")
		}
	})
}

// nativePull puts a proxy in the client's way.
func nativePull(t *testing.T, repoURL, revision string, tags []string) []string {
	var mu sync.Mutex
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Method+" "+r.URL.Host+r.URL.Path)
		if !strings.HasSuffix(r.URL.Path, "/tags/list") {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if err := json.NewEncoder(w).Encode(map[string]any{"tags": tags}); err != nil {
			t.Error(err)
		}
	}))
	defer proxy.Close()
	client, err := oci.NewClient(repoURL, oci.Creds{InsecureHTTPOnly: true}, proxy.URL, "", nil)
	if err != nil {
		return nil
	}
	if digest, err := client.ResolveRevision(t.Context(), revision, true); err == nil {
		t.Errorf("an empty registry resolved %s", digest)
	}
	return asked
}
