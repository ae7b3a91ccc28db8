package docs_test

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/chartgate/chartgate/config/samples"
	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/policy"
)

// TestPoliciesCompile: the policies in the documents compile. A policy may name identities that are
// elsewhere in the documents or in config/samples.
func TestPoliciesCompile(t *testing.T) {
	t.Parallel()
	known := map[string]v1alpha1.TrustedIdentity{}
	all := map[string]policy.Input{}
	for path, page := range pages(t) {
		for i, block := range blocks(page, "yaml") {
			in := parse(t, path, block)
			all[fmt.Sprintf("%s, block %d", path, i+1)] = in
			remember(known, in)
		}
	}
	for _, name := range []string{"acme-release.yaml", "acme-breakglass.yaml"} {
		content, err := samples.FS().ReadFile("policies/" + name)
		if err != nil {
			t.Fatal(err)
		}
		remember(known, parse(t, name, string(content)))
	}
	compiled := 0
	for where, in := range all {
		compiled += len(in.Policies) + len(in.Identities)
		compile(t, where, in, known)
	}
	if compiled < 15 {
		t.Errorf("found %d resources only: the test does not see them", compiled)
	}
}

// TestGoodPoliciesAreNotWarnedOf: the policies in the documents and samples are honest, so nothing is
// said of them when they are written.
func TestGoodPoliciesAreNotWarnedOf(t *testing.T) {
	t.Parallel()
	all, checked := map[string]policy.Input{}, 0
	for path, page := range pages(t) {
		for i, block := range blocks(page, "yaml") {
			all[fmt.Sprintf("%s, block %d", path, i+1)] = parse(t, path, block)
		}
	}
	var texts []string
	for _, dir := range []string{"policies", "configmap"} {
		files, err := fs.Glob(samples.FS(), dir+"/*.yaml")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			content, err := fs.ReadFile(samples.FS(), name)
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, string(content))
		}
	}
	all["config/samples"] = parse(t, "config/samples", strings.Join(texts, "\n---\n"))
	for where, in := range all {
		lint := policy.NewLinter(in, time.Now())
		for _, obj := range in.Identities {
			checked++
			notWarnedOf(t, where+": TrustedIdentity "+obj.Name, lint.Identity(obj))
		}
		for _, obj := range in.Policies {
			checked++
			notWarnedOf(t, where+": ChartPolicy "+obj.Name, lint.Policy(obj))
		}
		if in.ConfigMap != nil {
			checked++
			notWarnedOf(t, where+": ConfigMap", lint.ConfigMap(*in.ConfigMap))
		}
	}
	if checked < 20 {
		t.Errorf("checked %d resources only: the test does not see them", checked)
	}
}

func notWarnedOf(t *testing.T, what string, found policy.Findings) {
	t.Helper()
	for _, line := range found.Lines() {
		t.Errorf("%s: %s", what, line)
	}
}

func remember(known map[string]v1alpha1.TrustedIdentity, in policy.Input) {
	for _, identity := range in.Identities {
		known[identity.Name] = identity
	}
}

func compile(t *testing.T, where string, in policy.Input, known map[string]v1alpha1.TrustedIdentity) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(known)) {
		here := func(other v1alpha1.TrustedIdentity) bool { return other.Name == name }
		if !slices.ContainsFunc(in.Identities, here) {
			in.Identities = append(in.Identities, known[name])
		}
	}
	// Keys that are elsewhere can be any.
	in.Keys = policy.Keys{}
	for _, source := range policy.KeySources(in) {
		in.Keys[source] = policy.KeyContent{PEM: known["acme-breakglass"].Spec.Key.PEM}
	}
	_, report := policy.Compile(in)
	for name, err := range report.Identities {
		t.Errorf("%s: TrustedIdentity %s: %v", where, name, err)
	}
	for name, err := range report.Policies {
		t.Errorf("%s: ChartPolicy %s: %v", where, name, err)
	}
	if report.ConfigMap != nil {
		t.Errorf("%s: %v", where, report.ConfigMap)
	}
}

// parse reads the documents of chartgate's in a block of YAML, strictly. Every document must be
// YAML.
func parse(t *testing.T, where, block string) policy.Input {
	t.Helper()
	var in policy.Input
	for document := range strings.SplitSeq("\n"+block, "\n---\n") {
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal([]byte(document), &kind); err != nil {
			t.Errorf("%s: %v in\n%s", where, err, document)
			continue
		}
		var err error
		switch {
		case kind.APIVersion == v1alpha1.GroupVersion().String() && kind.Kind == "TrustedIdentity":
			in.Identities, err = appendStrict(in.Identities, document)
		case kind.APIVersion == v1alpha1.GroupVersion().String() && kind.Kind == "ChartPolicy":
			in.Policies, err = appendStrict(in.Policies, document)
		case kind.APIVersion == v1alpha1.GroupVersion().String() && kind.Kind == "TrustRoot":
			_, err = appendStrict([]v1alpha1.TrustRoot(nil), document)
		case kind.APIVersion == v1alpha1.GroupVersion().String() && kind.Kind == "PolicyTest":
			// A file, not a resource: consoles_test.go runs it.
		case strings.Contains(kind.APIVersion, "chartgate.dev"):
			err = fmt.Errorf("%s %s does not exist", kind.APIVersion, kind.Kind)
		case kind.Kind == "ConfigMap":
			var found []corev1.ConfigMap
			if found, err = appendStrict(found, document); err == nil {
				text := found[0].Data[policy.IdentitiesKey]
				in.ConfigMap = &text
			}
		}
		if err != nil {
			t.Errorf("%s: %v in\n%s", where, err, document)
		}
	}
	return in
}

func appendStrict[T any](to []T, document string) ([]T, error) {
	var object T
	err := yaml.UnmarshalStrict([]byte(document), &object)
	return append(to, object), err
}
