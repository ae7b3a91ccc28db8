package source_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/source"
)

// A value of the wrong type is named with its field, what it is, what it must be and what to write.
func TestAValueOfTheWrongTypeIsNamed(t *testing.T) {
	t.Parallel()
	const (
		release     = "helm.toolkit.fluxcd.io/HelmRelease"
		helmChart   = "source.toolkit.fluxcd.io/HelmChart"
		repository  = "source.toolkit.fluxcd.io/HelmRepository"
		oci         = "source.toolkit.fluxcd.io/OCIRepository"
		application = "argoproj.io/Application"
		unquoted    = "; without quotes, YAML reads digits as a number, and drops zeros at its end"
	)
	for _, tc := range []struct{ name, kind, subresource, object, says, next string }{
		{"a version in a HelmRelease", release, "", `{"spec": {"chart": {"spec": {"chart": "podinfo", "version": 1.1}}}}`,
			"the HelmRelease cannot be read: spec.chart.spec.version is the number 1.1, and must be a text" + unquoted, `write the complete version, three numbers in quotes, as in version: "1.2.3"`},
		{"a version without a dot", release, "", `{"spec": {"chart": {"spec": {"version": 1}}}}`, "spec.chart.spec.version is the number 1, and must be a text", `write the complete version, three numbers in quotes, as in version: "1.2.3"`},
		{"a version that was written as 007", release, "", `{"spec": {"chart": {"spec": {"version": 7}}}}`, "spec.chart.spec.version is the number 7", `write the complete version, three numbers in quotes, as in version: "1.2.3"`},
		{"a revision that was written as 1.0", application, "", `{"spec": {"source": {"targetRevision": 1}}}`, "spec.source.targetRevision is the number 1", `write the complete version, three numbers in quotes, as in targetRevision: "1.2.3"`},
		{"a revision that was written as 1e3", application, "", `{"spec": {"source": {"targetRevision": 1000}}}`, "spec.source.targetRevision is the number 1000", `write the complete version, three numbers in quotes, as in targetRevision: "1.2.3"`},
		{"a large version", release, "", `{"spec": {"chart": {"spec": {"version": 1e+100}}}}`, "is the number 1e+100", `write the complete version, three numbers in quotes, as in version: "1.2.3"`},
		{"a name that is yes", release, "", `{"spec": {"chart": {"spec": {"chart": true}}}}`, "spec.chart.spec.chart is the boolean true, and must be a text", `chart: "true"`},
		{"a chart in short form", release, "", `{"spec": {"chart": "podinfo"}}`, `spec.chart is the text "podinfo", and must be an object`, "kubectl explain helmrelease.spec.chart "},
		{"a release that is suspended by a text", release, "", `{"spec": {"suspend": "yes"}}`, `spec.suspend is the text "yes", and must be true or false`, "kubectl explain helmrelease.spec.suspend "},
		{"a chartRef that is a list", release, "", `{"spec": {"chartRef": [{"kind": "OCIRepository"}]}}`, "spec.chartRef is a list, and must be an object", "kubectl explain helmrelease.spec.chartRef "},
		{"a status that names a HelmChart by a number", release, "status", `{"status": {"helmChart": 1}}`, "status.helmChart is the number 1", `helmChart: "1"`},
		{"a version in a HelmChart", helmChart, "", `{"spec": {"version": 2024.03}}`, "the HelmChart cannot be read: spec.version is the number 2024.03, and must be a text" + unquoted, `write the complete version, three numbers in quotes, as in version: "1.2.3"`},
		{"values files in a HelmChart", helmChart, "", `{"spec": {"valuesFiles": "values.yaml"}}`, `spec.valuesFiles is the text "values.yaml", and must be a list`, "kubectl explain helmchart.spec.valuesFiles "},
		{"a values file that is a number", helmChart, "", `{"spec": {"valuesFiles": ["a", 1.5]}}`, "spec.valuesFiles[1] is the number 1.5", `valuesFiles[1]: "1.5"`},
		{"a digest of an artifact", helmChart, "status", `{"status": {"artifact": {"digest": {}}}}`, "status.artifact.digest is an object, and must be a text", `digest: "…"`},
		{"the URL of a HelmRepository", repository, "", `{"spec": {"url": ["oci://ghcr.io"]}}`, "the HelmRepository cannot be read: spec.url is a list, and must be a text", `write one text: url: "…"`},
		{"a spec that is a number", repository, "", `{"spec": 1}`, "spec is the number 1, and must be an object", "kubectl explain helmrepository.spec "},
		{"a tag of an OCIRepository", oci, "", `{"spec": {"ref": {"tag": 1.10}}}`, "the OCIRepository cannot be read: spec.ref.tag is the number 1.10, and must be a text" + unquoted, `write the complete version, three numbers in quotes, as in tag: "1.2.3"`},
		{"a range of an OCIRepository", oci, "", `{"spec": {"ref": {"semver": 1}}}`, "spec.ref.semver is the number 1", `write the complete version, three numbers in quotes, as in semver: "1.2.3"`},
		{"a revision of an Application", application, "", `{"spec": {"source": {"targetRevision": 1.1}}}`, "the Application cannot be read: spec.source.targetRevision is the number 1.1, and must be a text" + unquoted, `write the complete version, three numbers in quotes, as in targetRevision: "1.2.3"`},
		{"a revision of the second source", application, "", `{"spec": {"sources": [{}, {"targetRevision": 1.1}]}}`, "spec.sources[1].targetRevision is the number 1.1", `write the complete version, three numbers in quotes, as in targetRevision: "1.2.3"`},
		{"sources that are no list", application, "", `{"spec": {"sources": {}}}`, "spec.sources is an object, and must be a list", "kubectl explain application.spec.sources "},
		{"a source that is no object", application, "", `{"spec": {"sources": [1]}}`, "spec.sources[0] is the number 1, and must be an object", "kubectl explain application.spec.sources "},
		{"a revision of an operation", application, "", `{"operation": {"sync": {"revisions": [1.1]}}}`, "operation.sync.revisions[0] is the number 1.1, and must be a text", "write the complete version, three numbers in quotes, as in revisions[0]: \"1.2.3\""},
		{"a count that is no whole number", application, "", `{"status": {"operationState": {"retryCount": 1.5}}}`, "status.operationState.retryCount is the number 1.5, and must be a whole number", "kubectl explain application.status.operationState.retryCount "},
		{"a very long number", release, "", `{"spec": {"chart": {"spec": {"version": ` + strings.Repeat("1", 5000) + `}}}}`, "is the number 1111111111111111111111111111111111111111…, and must be a text", "write the complete version"},
		{"a list in place of the object", release, "", `[]`, "the whole is a list, and must be an object", "kubectl explain helmrelease"},
		{"no JSON", release, "", `{`, "the HelmRelease cannot be read: it is not an object in JSON", "kubectl explain helmrelease"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			group, kind, _ := strings.Cut(tc.kind, "/")
			w := source.Write{Object: source.Object{ID: source.ID{Group: group, Kind: kind, Namespace: "apps", Name: "app"}, JSON: []byte(tc.object)}, Subresource: tc.subresource}
			changes, err := source.NewExtractor(nil, source.Options{}).Changes(w)
			var perr *problem.Error
			if !errors.As(err, &perr) || perr.Kind != problem.KindInvalid {
				t.Fatalf("%v, %v", changes, err)
			}
			if !strings.Contains(perr.Detail, tc.says) {
				t.Errorf("says %q, want %q", perr.Detail, tc.says)
			}
			if !strings.Contains(perr.Next, tc.next) || len(perr.Next) > 1000 {
				t.Errorf("next: %q, want %q", perr.Next, tc.next)
			}
			if again := fmt.Sprint(source.NewExtractor(nil, source.Options{}).Changes(w)); again != fmt.Sprint(changes, err) {
				t.Errorf("another answer: %s", again)
			}
		})
	}
}
