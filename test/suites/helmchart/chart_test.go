// Package helmchart_test checks the Helm chart where its own tests (charts/chartgate/tests, `make
// unittest`) cannot: against the code, as a package, and on a real API server, where helm installs,
// upgrades and uninstalls it.
package helmchart_test

import (
	"os"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/chartgate/chartgate/test/env/cluster"
)

const (
	chartDir  = "../../../charts/chartgate"
	namespace = cluster.Namespace
	valuesDir = chartDir + "/tests/values"
	// imageValues names an image, without which the chart refuses all values.
	imageValues = valuesDir + "/image.yaml"
)

// template renders the chart with values, as YAML text.
func template(t *testing.T, values string) string {
	t.Helper()
	out, err := cluster.Helm(t.Context(), values, "template", "chartgate", chartDir, "--namespace", namespace, "--values", imageValues, "--values", "-")
	if err != nil {
		t.Fatal(err)
	}
	return out.Stdout
}

// manifests are rendered objects by "Kind/name".
type manifests map[string]*unstructured.Unstructured

func render(t *testing.T, values string) manifests {
	t.Helper()
	return parse(t, template(t, values))
}

func parse(t *testing.T, text string) manifests {
	t.Helper()
	result := manifests{}
	for _, object := range parseAll(t, text) {
		key := object.GetKind() + "/" + object.GetName()
		if result[key] != nil {
			t.Fatalf("%s is rendered twice", key)
		}
		result[key] = object
	}
	return result
}

// parseAll returns rendered objects in order.
func parseAll(t *testing.T, text string) []*unstructured.Unstructured {
	t.Helper()
	var result []*unstructured.Unstructured
	for document := range strings.SplitSeq("\n"+text, "\n---") {
		object := &unstructured.Unstructured{}
		if err := yaml.UnmarshalStrict([]byte(document), &object.Object); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		if object.Object != nil {
			result = append(result, object)
		}
	}
	return result
}

// get decodes a rendered object to its Go type, strictly.
func get[T any](t *testing.T, m manifests, key string) T {
	t.Helper()
	var typed T
	if m[key] == nil {
		t.Fatalf("%s is not rendered", key)
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(m[key].Object, &typed, true); err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	return typed
}

// pod is the pod of the Deployment.
func pod(t *testing.T, values string) corev1.PodSpec {
	t.Helper()
	return get[appsv1.Deployment](t, render(t, values), "Deployment/chartgate").Spec.Template.Spec
}

// read is a file's content.
func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
