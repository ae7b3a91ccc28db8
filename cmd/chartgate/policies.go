package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/fielderr"
	"github.com/chartgate/chartgate/pkg/keys"
	"github.com/chartgate/chartgate/pkg/kms"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/signature"
	"github.com/chartgate/chartgate/pkg/trust"
)

// fixedPolicies are policies that do not change while a command runs.
type fixedPolicies struct {
	set   *policy.Set
	input policy.Input
	// trustRoots are those among the policies.
	trustRoots []trust.Item
	// defaultRoot is for identities that name no trust root, nil for the flags' own.
	defaultRoot *signature.Root
	// invalid says where the policies are that deny everything they match.
	invalid []string
	// hint is what a signer who is not the right one should make the user think of.
	hint string
}

// Current implements gate.Policies.
func (p fixedPolicies) Current() *policy.Set { return p.set }

// policyFlags say where policies are.
type policyFlags struct {
	clusterFlags
	paths     []string
	namespace string
	kms       keys.KMS // that of the user's credentials if nil
}

// clusterPath stands for the policies of a cluster. A file of this name is ./cluster.
const clusterPath = "cluster"

func (f *policyFlags) register(flags *pflag.FlagSet) {
	f.clusterFlags.register(flags)
	flags.StringArrayVar(&f.paths, "policy", nil, "`file` or directory with ChartPolicies, TrustedIdentities, the Secrets with their keys, TrustRoots or the identities ConfigMap, or \"cluster\" for the policies of the kubeconfig's cluster (repeatable; what a file holds replaces the object of that name in the cluster)")
	flags.StringVar(&f.namespace, "chartgate-namespace", "", "`namespace` that chartgate runs in, for --policy cluster; if empty, the one that its webhook configuration names, or "+defaultNamespace)
}

// load reads policies from files, directories and a cluster, and writes to w what it does not use.
// An invalid policy denies the charts that it matches, as in a cluster, and w is warned of it. What
// an API server would not store is an error.
func (f *policyFlags) load(ctx context.Context, stdin io.Reader, w io.Writer) (fixedPolicies, error) {
	if len(f.paths) == 0 {
		return fixedPolicies{}, errors.New("--policy is needed: a file or directory with ChartPolicies and TrustedIdentities, or the word cluster; or name the signer: --key, or --certificate-identity and --certificate-oidc-issuer")
	}
	paths := slices.DeleteFunc(slices.Clone(f.paths), func(path string) bool { return path == clusterPath })
	documents, err := readPolicies(stdin, w, paths)
	if err != nil {
		return fixedPolicies{}, err
	}
	if len(paths) < len(f.paths) {
		c, err := f.connect()
		if err != nil {
			return fixedPolicies{}, err
		}
		return c.load(ctx, w, f.namespace, documents, f.services())
	}
	if !slices.ContainsFunc(documents, document.isPolicy) {
		return fixedPolicies{}, fmt.Errorf("no policies found in %s: a ChartPolicy or the identities ConfigMap is needed", strings.Join(paths, ", "))
	}
	return compileAll(ctx, w, documents, references{amongDocuments, f.services()})
}

func (f *policyFlags) services() keys.KMS {
	if f.kms != nil {
		return f.kms
	}
	return kms.NewReader()
}

// load reads the policies of the cluster, in which files replace the objects of their names.
func (c *cluster) load(ctx context.Context, w io.Writer, namespace string, files []document, services keys.KMS) (fixedPolicies, error) {
	p, err := c.findChartgate(ctx, namespace, func(format string, args ...any) { fmt.Fprintf(w, "warning: "+format+"\n", args...) })
	if err != nil {
		return fixedPolicies{}, err
	}
	documents, err := p.documents(ctx, files)
	if err != nil {
		return fixedPolicies{}, err
	}
	documents = append(documents, files...)
	if !slices.ContainsFunc(documents, document.isPolicy) {
		p.warn("%s has no policies: it denies every chart", c.name)
	}
	loaded, err := compileAll(ctx, w, documents, references{p.lookup, services})
	if err != nil {
		return fixedPolicies{}, err
	}
	loaded.defaultRoot, err = p.trustedRoot(ctx)
	return loaded, err
}

// readPolicies reads the documents of files and directories.
func readPolicies(stdin io.Reader, w io.Writer, paths []string) ([]document, error) {
	read, err := readDocuments(stdin, paths, policyKinds)
	if err != nil {
		return nil, fmt.Errorf("read --policy: %w", err)
	}
	// A policy that is missed here may deny in a cluster.
	for _, b := range read.broken {
		return nil, fmt.Errorf("read --policy: %s: %w", b.where, b.err)
	}
	documents := read.policies()
	read.tell(w)
	if documents, err = checkPolicies(documents); err != nil {
		return nil, fmt.Errorf("read --policy: %w", err)
	}
	for _, d := range documents {
		if d.isIdentities() && d.object.GetName() != identitiesName {
			fmt.Fprintf(w, "warning: %s: ConfigMap %s is used as the identities ConfigMap; a cluster reads only %s, unless --policy-configmap names another\n",
				d.where, d.object.GetName(), identitiesName)
		}
	}
	return documents, nil
}

// compileAll compiles policies, and writes to w which of them are invalid.
func compileAll(ctx context.Context, w io.Writer, documents []document, refer references) (fixedPolicies, error) {
	loaded, report, err := compileDocuments(ctx, documents, refer)
	if err == nil {
		err = lintPolicies(w, documents, loaded.input, time.Now())
	}
	if err != nil {
		return fixedPolicies{}, fmt.Errorf("read --policy: %w", err)
	}
	loaded.invalid = warnOfInvalid(w, documents, report)
	return loaded, nil
}

// warnOfInvalid writes what is invalid and why, and returns where the invalid policies are.
func warnOfInvalid(w io.Writer, documents []document, report policy.Report) (places []string) {
	where := func(kind, name string) string {
		at := slices.IndexFunc(documents, func(d document) bool { return d.isKind(kind) && d.object.GetName() == name })
		return documents[max(at, 0)].where
	}
	for _, name := range slices.Sorted(maps.Keys(report.Identities)) {
		fmt.Fprintf(w, "warning: %s: TrustedIdentity %s is invalid: %v\n", where("TrustedIdentity", name), name, report.Identities[name])
	}
	for _, name := range slices.Sorted(maps.Keys(report.Policies)) {
		denies := "denies what it matches"
		if report.Everywhere[name] {
			denies = "denies every chart, because its patterns cannot be read"
		}
		fmt.Fprintf(w, "warning: %s: ChartPolicy %s is invalid and %s: %v\n", where("ChartPolicy", name), name, denies, report.Policies[name])
		for _, d := range documents {
			if d.isKind("ChartPolicy") && d.object.GetName() == name {
				places = append(places, fmt.Sprintf("ChartPolicy %s in %s", name, d.where))
			}
		}
	}
	if report.ConfigMap != nil {
		fmt.Fprintf(w, "warning: the identities ConfigMap is invalid and denies every chart: %v\n", report.ConfigMap)
		for _, d := range documents {
			if d.isIdentities() {
				places = append(places, fmt.Sprintf("ConfigMap %s in %s", d.object.GetName(), d.where))
			}
		}
	}
	return places
}

// checkPolicies refuses what an API server would not store as it is written, and leaves out what is
// given twice with the same content.
func checkPolicies(documents []document) (checked []document, err error) {
	seen := map[string]document{}
	for _, d := range documents {
		if err := d.checkPolicy(); err != nil {
			return nil, fmt.Errorf("%s: %w", d.where, err)
		}
		if d.isKind("ChartPolicy") || d.isKind("TrustedIdentity") {
			id := d.object.GetKind() + " " + d.object.GetName()
			if other, ok := seen[id]; ok {
				if !reflect.DeepEqual(other.object.Object, d.object.Object) {
					return nil, fmt.Errorf("there are two of %s: %s and %s", id, other.where, d.where)
				}
				continue
			}
			seen[id] = d
		}
		checked = append(checked, d)
	}
	return checked, nil
}

// checkPolicy refuses an object of chartgate.dev, or of one of its kinds, that does not exist or
// has no valid name.
func (d document) checkPolicy() error {
	kind, name := d.object.GroupVersionKind(), d.object.GetName()
	known := policyKinds.has(v1alpha1.Group, kind.Kind)
	switch {
	case kind.Group != v1alpha1.Group && !known:
		return nil // a Secret or a ConfigMap
	case !known:
		return fmt.Errorf("kind %s is not a policy: the kinds of %s are %s", kind.Kind, v1alpha1.Group, strings.Join(policyKinds.names[v1alpha1.Group], ", "))
	case kind.Group != v1alpha1.Group:
		return fmt.Errorf("kind %s is not a policy with apiVersion %s: write apiVersion: %s", kind.Kind, d.object.GetAPIVersion(), v1alpha1.GroupVersion())
	case kind.Version != v1alpha1.GroupVersion().Version:
		return fmt.Errorf("apiVersion %s does not exist: write apiVersion: %s for the %s", d.object.GetAPIVersion(), v1alpha1.GroupVersion(), kind.Kind)
	case name == "":
		return fmt.Errorf("the %s has no metadata.name", kind.Kind)
	case len(validation.IsDNS1123Subdomain(name)) > 0:
		return fmt.Errorf("%s %s: metadata.name must consist of lower-case letters, digits, - and ., and start and end with a letter or digit", kind.Kind, problem.QuoteInput(name))
	default:
		return nil
	}
}

// policyKinds are the kinds that a folder of policies must not lose.
var policyKinds = kinds{
	names:   map[string][]string{v1alpha1.Group: {"ChartPolicy", "TrustedIdentity", "TrustRoot"}},
	mention: regexp.MustCompile(`\b(ChartPolicy|TrustedIdentity|TrustRoot)(List)?\b|\bchartgate\.dev/|\bidentities\.yaml\b`),
}

// isPolicy reports whether a document decides about charts.
func (d document) isPolicy() bool {
	return d.isKind("ChartPolicy") || d.isIdentities()
}

// isKind reports whether a document is of that kind of chartgate.dev.
func (d document) isKind(name string) bool {
	kind := d.object.GroupVersionKind()
	return kind.Group == v1alpha1.Group && kind.Kind == name
}

// identitiesName is that of the ConfigMap with the identities in a cluster.
const identitiesName = "chartgate-identities"

// isIdentities reports whether a document is, or is meant to be, the ConfigMap with the identities.
func (d document) isIdentities() bool {
	kind := d.object.GroupVersionKind()
	return kind.Group == "" && kind.Kind == "ConfigMap" && (d.hasIdentities() || d.object.GetName() == identitiesName)
}

// hasIdentities reports whether a ConfigMap has the key of the identities.
func (d document) hasIdentities() bool {
	data, _ := d.object.Object["data"].(map[string]any)
	_, has := data[policy.IdentitiesKey]
	return has
}

// isRootOf reports whether a TrustRoot names the ConfigMap.
func (d document) isRootOf(root document) bool {
	name, _, _ := unstructured.NestedString(root.object.Object, "spec", "configMapRef", "name")
	return root.object.GetKind() == "TrustRoot" && name == d.object.GetName()
}

// policies returns the documents that are policies or that policies refer to, and notes the others.
// A kind of policies in another group is a mistake, and stays.
func (r *reading) policies() []document {
	var documents []document
	for _, d := range r.documents {
		kind := d.object.GroupVersionKind()
		switch {
		case kind.Group == v1alpha1.Group && kind.Kind == policyTestKind:
			r.pass(d.where, "a PolicyTest is for chartgate test")
		case kind.Group == v1alpha1.Group || r.kinds.has("", kind.Kind):
			documents = append(documents, d)
		case kind.Group == "" && kind.Kind == "Secret" && d.object.Object["sops"] != nil:
			r.pass(d.where, "Secret "+d.object.GetName()+" is encrypted by SOPS: decrypt it first")
		case kind.Group == "" && kind.Kind == "ConfigMap" && !d.isIdentities() && !slices.ContainsFunc(r.documents, d.isRootOf):
			r.pass(d.where, fmt.Sprintf("ConfigMap %s has no key %s, and no TrustRoot names it", d.object.GetName(), policy.IdentitiesKey))
		case kind.Group == "" && (kind.Kind == "ConfigMap" || kind.Kind == "Secret"):
			documents = append(documents, d)
		case kind.Group != "kustomize.config.k8s.io":
			r.pass(d.where, "kind "+kind.Kind+" is not a policy")
		}
	}
	return documents
}

func compileDocuments(ctx context.Context, documents []document, refer references) (fixedPolicies, policy.Report, error) {
	var in policy.Input
	secrets, documents, err := takeSecrets(documents)
	if err != nil {
		return fixedPolicies{}, policy.Report{}, err
	}
	trustRoots, documents, err := takeTrustRoots(ctx, documents, refer.find)
	if err != nil {
		return fixedPolicies{}, policy.Report{}, err
	}
	for _, d := range documents {
		if err := addPolicy(&in, d); err != nil {
			return fixedPolicies{}, policy.Report{}, fmt.Errorf("%s: %w", d.where, err)
		}
	}
	in.Keys = lookupKeys(ctx, policy.KeySources(in), secrets, refer)
	set, report := policy.Compile(in)
	return fixedPolicies{set: set, input: in, trustRoots: trustRoots}, report, nil
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
		return fmt.Errorf("there are two identities ConfigMaps: %s is the second", found[0].Name)
	}
	in.ConfigMap, in.ConfigMapName = &text, fmt.Sprintf("%s in %s", found[0].Name, d.where)
	return nil
}

// appendStrict decodes a document. A field that its type does not have is an error.
func appendStrict[T any](to *[]T, d document) error {
	raw, err := json.Marshal(d.object.Object)
	if err != nil {
		return err
	}
	var obj T
	if err := fielderr.Join(fielderr.Decode(nil, raw, &obj)); err != nil {
		return fmt.Errorf("%s %s: %w", d.object.GetKind(), d.object.GetName(), err)
	}
	*to = append(*to, obj)
	return nil
}
