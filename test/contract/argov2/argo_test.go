package argov2

import (
	"reflect"
	"testing"

	"github.com/Masterminds/semver/v3"
	"github.com/argoproj/argo-cd/v2/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v2/util/git"
	"github.com/argoproj/argo-cd/v2/util/helm"

	"github.com/chartgate/chartgate/test/contract"
)

var argo = contract.Argo{
	Module:        "github.com/argoproj/argo-cd/v2",
	Application:   reflect.TypeFor[v1alpha1.Application](),
	Pulls:         pulls,
	HelmPull:      helmPull,
	IsHelmOciRepo: helm.IsHelmOciRepo,
	SameURL:       git.SameURL,
	IsVersion:     helm.IsVersion,
	MaxVersion:    maxVersion,
	Sources:       contract.Sources(),
	Fields:        contract.Fields(),
	Transcribed: map[string]string{
		"controller/appcontroller.go processRequestedAppOperation":         "bd87230bd9c2",
		"controller/state.go CompareAppState":                              "ede95971cf06",
		"controller/state.go GetRepoObjs":                                  "fc0c3121a637",
		"controller/sync.go SyncAppState":                                  "5f8fce95ddb6",
		"reposerver/repository/repository.go newHelmClientResolveRevision": "679c50c85c69",
		"reposerver/repository/repository.go runRepoOperation":             "8a4a0d9655b3",
	},
}

func TestMain(m *testing.M) { contract.Main(m) }

func TestContract(t *testing.T) { contract.Run(t, argo) }

func helmPull(t *testing.T, repoURL, chart, revision string) []string {
	return contract.FalseHelm(t, func() {
		client := helm.NewClient(repoURL, helm.Creds{}, helm.IsHelmOciRepo(repoURL), "", "")
		if _, _, err := client.ExtractChart(chart, revision, false, 1<<20, false); err == nil {
			t.Error("the false helm pulled a chart")
		}
	})
}

// maxVersion is the end of newHelmClientResolveRevision.
func maxVersion(revision string, tags []string) (string, error) {
	constraints, err := semver.NewConstraint(revision)
	if err != nil {
		return "", err
	}
	version, err := helm.TagsList{Tags: tags}.MaxVersion(constraints)
	if err != nil {
		return "", err
	}
	return version.String(), nil
}
