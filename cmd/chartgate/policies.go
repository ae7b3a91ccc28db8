package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kjson "sigs.k8s.io/json"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/trust"
)

// fixedPolicies are policies that do not change while a command runs.
type fixedPolicies struct {
	set *policy.Set
	// trustRoots are those that the policies come with.
	trustRoots []trust.Item
}

// Current implements gate.Policies.
func (p fixedPolicies) Current() *policy.Set { return p.set }

// loadPolicies reads policies from files and directories. What does not compile
// denies the charts that it matches, as in a cluster, and is told to w.
func loadPolicies(ctx context.Context, stdin io.Reader, w io.Writer, paths []string) (fixedPolicies, error) {
	if len(paths) == 0 {
		return fixedPolicies{}, errors.New("--policy is needed: a file or directory with ChartPolicies and TrustedIdentities")
	}
	read, err := readDocuments(stdin, paths, policyKinds)
	if err != nil {
		return fixedPolicies{}, fmt.Errorf("read --policy: %w", err)
	}
	// A policy that is not seen here may deny in a cluster.
	for _, b := range read.broken {
		return fixedPolicies{}, fmt.Errorf("read --policy: %s: %w", b.where, b.err)
	}
	documents := read.policies()
	if !slices.ContainsFunc(documents, document.isPolicy) {
		return fixedPolicies{}, fmt.Errorf("no policies found in %s: a ChartPolicy or the identities ConfigMap is needed", strings.Join(paths, ", "))
	}
	for _, n := range read.notes {
		fmt.Fprintf(w, "skipped: %s: %s\n", n.where, n.why)
	}
	set, report, err := compileDocuments(ctx, documents)
	if err != nil {
		return fixedPolicies{}, fmt.Errorf("read --policy: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(report.Identities)) {
		fmt.Fprintf(w, "warning: TrustedIdentity %s is invalid: %v\n", name, report.Identities[name])
	}
	for _, name := range slices.Sorted(maps.Keys(report.Policies)) {
		fmt.Fprintf(w, "warning: ChartPolicy %s is invalid and denies what it matches: %v\n", name, report.Policies[name])
	}
	if report.ConfigMap != nil {
		fmt.Fprintf(w, "warning: the identities ConfigMap is invalid and denies every chart: %v\n", report.ConfigMap)
	}
	return set, nil
}

// policyKinds are the kinds that a folder of policies must not lose.
var policyKinds = kinds{
	names:   map[string][]string{v1alpha1.Group: {"ChartPolicy", "TrustedIdentity", "TrustRoot"}},
	mention: regexp.MustCompile(`\b(ChartPolicy|TrustedIdentity|TrustRoot)(List)?\b|\bchartgate\.dev/|\bidentities\.yaml\b`),
}

// isPolicy reports whether a document decides about charts.
func (d document) isPolicy() bool {
	kind := d.object.GroupVersionKind()
	return kind.Group == v1alpha1.Group && kind.Kind == "ChartPolicy" || kind.Group == "" && kind.Kind == "ConfigMap" && d.hasIdentities()
}

// hasIdentities reports whether a ConfigMap is, or is to be, the one with the identities.
func (d document) hasIdentities() bool {
	data, _ := d.object.Object["data"].(map[string]any)
	_, has := data[policy.IdentitiesKey]
	return has || d.object.GetName() == "chartgate-identities"
}

// isRootOf reports whether a TrustRoot names the ConfigMap.
func (d document) isRootOf(root document) bool {
	name, _, _ := unstructured.NestedString(root.object.Object, "spec", "configMapRef", "name")
	return root.object.GetKind() == "TrustRoot" && name == d.object.GetName()
}

// policies returns the documents that matter to policies, and notes the others. What looks like
// a policy of another group is a mistake, and stays.
func (r *reading) policies() []document {
	var documents []document
	for _, d := range r.documents {
		kind := d.object.GroupVersionKind()
		switch {
		case kind.Group == v1alpha1.Group || r.kinds.has("", kind.Kind):
			documents = append(documents, d)
		case kind.Group == "" && kind.Kind == "Secret" && d.object.Object["sops"] != nil:
			r.pass(d.where, "Secret "+d.object.GetName()+" is encrypted by SOPS: decrypt it first")
		case kind.Group == "" && kind.Kind == "ConfigMap" && !d.hasIdentities() && !slices.ContainsFunc(r.documents, d.isRootOf):
			r.pass(d.where, fmt.Sprintf("ConfigMap %s has no key %s, and no TrustRoot names it", d.object.GetName(), policy.IdentitiesKey))
		case kind.Group == "" && (kind.Kind == "ConfigMap" || kind.Kind == "Secret"):
			documents = append(documents, d)
		case kind.Group != "kustomize.config.k8s.io":
			r.pass(d.where, "kind "+kind.Kind+" is not a policy")
		}
	}
	return documents
}

func compileDocuments(ctx context.Context, documents []document) (fixedPolicies, policy.Report, error) {
	var in policy.Input
	secrets, documents, err := takeSecrets(documents)
	if err != nil {
		return fixedPolicies{}, policy.Report{}, err
	}
	trustRoots, documents, err := takeTrustRoots(documents)
	if err != nil {
		return fixedPolicies{}, policy.Report{}, err
	}
	for _, d := range documents {
		if err := addPolicy(&in, d); err != nil {
			return fixedPolicies{}, policy.Report{}, fmt.Errorf("%s: %w", d.file, err)
		}
	}
	in.Keys = lookupKeys(ctx, policy.KeySources(in), secrets)
	set, report := policy.Compile(in)
	return fixedPolicies{set: set, trustRoots: trustRoots}, report, nil
}

func addPolicy(in *policy.Input, d document) error {
	kind := d.object.GroupVersionKind()
	switch {
	case kind.Group == v1alpha1.Group && kind.Kind == "TrustedIdentity":
		return appendStrict(&in.Identities, d)
	case kind.Group == v1alpha1.Group && kind.Kind == "ChartPolicy":
		return appendStrict(&in.Policies, d)
	case kind.Group == "" && kind.Kind == "ConfigMap":
		return addConfigMap(in, d)
	default:
		return fmt.Errorf("kind %s is not a policy", kind.Kind)
	}
}

func addConfigMap(in *policy.Input, d document) error {
	var found []corev1.ConfigMap
	if err := appendStrict(&found, d); err != nil {
		return err
	}
	text, ok := found[0].Data[policy.IdentitiesKey]
	switch {
	case !ok:
		return fmt.Errorf("ConfigMap %s has no key %s", found[0].Name, policy.IdentitiesKey)
	case in.ConfigMap != nil:
		return errors.New("there are two identities ConfigMaps")
	}
	in.ConfigMap = &text
	return nil
}

// appendStrict decodes a document; a field that its type does not have is an error.
// As for the API server, names of fields are case-sensitive.
func appendStrict[T any](to *[]T, d document) error {
	raw, err := json.Marshal(d.object.Object)
	if err != nil {
		return err
	}
	var obj T
	strict, err := kjson.UnmarshalStrict(raw, &obj)
	if err = errors.Join(append(strict, err)...); err != nil {
		return fmt.Errorf("%s %s: %w", d.object.GetKind(), d.object.GetName(), err)
	}
	*to = append(*to, obj)
	return nil
}
