package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/pkg/source"
)

// A folder as people have it: what is not a Kubernetes object is named and passed over,
// a broken document of a gated kind is denied, and the rest is judged.
func TestVerifyFolders(t *testing.T) {
	good := map[string]string{"repository.yaml": acmeRepository, "release.yaml": release("podinfo", "")}
	const template = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata:\n  name: {{ .Release.Name }}\n{{- if .Values.x }}\n"
	partial := func(kind, spec string) string {
		return "apiVersion: source.toolkit.fluxcd.io/v1\nkind: " + kind + "\nmetadata: {name: acme, namespace: apps}\n" + spec
	}
	for _, c := range []struct {
		sentence string
		name     string // of the file beside the good ones
		content  string
		passed   string // what standard error says of it, "" for nothing
		denied   string // what standard output says of it, "" if it is not denied
	}{
		{"Helm values", "values.yaml", "replicas: 2\nimage: {tag: x}\n", "apiVersion or kind is missing", ""},
		{"Helm values with a kind", "values.yaml", "kind: Deployment\nreplicas: 2\n", "apiVersion or kind is missing", ""},
		{"Helm values with anchors", "values.yaml", "a: &a {b: c}\nd: {<<: *a, e: f}\n", "apiVersion or kind is missing", ""},
		{"a JSON patch", "patch.yaml", "- op: replace\n  path: /spec/chart/spec/version\n  value: 1.0.0\n", "a JSON patch", ""},
		{"a JSON patch in JSON", "patch.json", `[{"op": "remove", "path": "/spec"}]`, "a JSON patch", ""},
		{"a Kustomize patch of values", "patch.yaml", "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: podinfo, namespace: apps}\nspec: {values: {a: b}}\n", "", ""},
		{"a Kustomize patch of a repository's interval", "patch.yaml", partial("HelmRepository", "spec: {interval: 5m}\n"), "a patch that changes no chart", ""},
		{"a Kustomize patch of metadata", "patch.yaml", partial("OCIRepository", ""), "a patch that changes no chart", ""},
		{"a Kustomize patch that deletes", "patch.yaml", partial("HelmChart", "$patch: delete\n"), "a patch that changes no chart", ""},
		{"a Kustomize patch of a tag", "patch.yaml", partial("OCIRepository", "spec: {ref: {tag: 2.0.0}}\n"), "", "OCIRepository apps/acme denied (ReferenceInvalid): it names no spec.url, so it is a patch"},
		{"a Kustomize patch of an Application's revision", "patch.yaml", "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: helm, namespace: argocd}\nspec: {source: {targetRevision: 2.3.0}}\n", "", "Application argocd/helm denied (ReferenceInvalid): it names no spec.source.repoURL, so it is a patch"},
		{"a Kustomize patch of one of an Application's sources", "patch.yaml", "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: helm, namespace: argocd}\nspec: {sources: [{chart: other}]}\n", "", "Application argocd/helm denied (ReferenceInvalid): it names no spec.sources[0].repoURL, so it is a patch"},
		{"a Kustomize patch of a version", "patch.yaml", "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: podinfo, namespace: apps}\nspec: {chart: {spec: {version: 2.0.0}}}\n", "", "HelmRelease apps/podinfo denied (ReferenceInvalid): it names no spec.chart.spec.chart"},
		{"a kustomization.yaml", "kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [release.yaml]\n", "", ""},
		{"a kustomization.yaml with a patch of a release in it", "kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [release.yaml]\npatches:\n- patch: |\n    apiVersion: helm.toolkit.fluxcd.io/v2\n    kind: HelmRelease\n    metadata: {name: podinfo}\n    spec: {chart: {spec: {version: 6.6.6}}}\n",
			"kustomization.yaml: document 1: the Kustomization patches kinds that deploy charts, and the objects are examined without that", ""},
		{"one with a patch of something else in it", "kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\npatches: [{target: {kind: Deployment}, patch: '[]'}]\n", "", ""},
		{"a Kustomization of Flux with a patch of releases", "flux.yaml", "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps, namespace: flux-system}\nspec: {patches: [{target: {kind: HelmRelease}, patch: '[]'}]}\n",
			"as in: flux build kustomization NAME --path DIR | chartgate verify", ""},
		{"a Kustomization of Flux that waits for a release", "flux.yaml", "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps, namespace: flux-system}\nspec: {healthChecks: [{apiVersion: helm.toolkit.fluxcd.io/v2, kind: HelmRelease, name: podinfo, namespace: apps}]}\n", "", ""},
		{"a scalar", "x.yaml", "hello\n", "not a Kubernetes object", ""},
		{"nothing but comments", "x.yaml", "# nothing\n---\n---\n# more\n", "", ""},
		{"directives of YAML", "x.yaml", "%YAML 1.1\n---\na: b\n", "document 1: not a Kubernetes object", ""},
		{"a template of another kind", "deployment.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {{ .Release.Name }}\n# An Application for everybody\n", "not readable as YAML", ""},
		{"a template of a gated kind", "release-template.yaml", template, "", `it mentions "HelmRelease" and cannot be read`},
		{"a template whose kind is filled in", "x.yaml", "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: {{ .Values.kind }}\n{{ end }}\n", "", "cannot be read"},
		{"an Application that cannot be parsed", "x.yaml", "apiVersion: argoproj.io/v1alpha1\nkind: Application\nspec: [\n", "", `mentions "kind: Application"`},
		{"a broken document behind a good one", "x.yaml", "a: b\n---\nkind: HelmRelease\n a: [\n", "x.yaml: document 1: not a Kubernetes object", "x.yaml: document 2 denied (ReferenceInvalid)"},
		{"broken YAML of nothing", "x.yaml", "a: [\n", "not readable as YAML", ""},
		{"a field that occurs twice in a gated object", "x.yaml", strings.Replace(release("other", ""), "spec:", "spec: {}\nspec:", 1), "", "HelmRelease apps/other denied (ReferenceInvalid): the HelmRelease cannot be read"},
		{"a kind that occurs twice", "x.yaml", "apiVersion: v1\nkind: HelmRelease\nkind: ConfigMap\n", "", "cannot be read"},
		{"a field that occurs twice in another object", "x.yaml", "apiVersion: v1\nkind: ConfigMap\na: b\na: c\n", "not readable as YAML", ""},
		{"a gated kind without apiVersion", "x.yaml", "kind: HelmRelease\nmetadata: {name: x}\n", "", "HelmRelease default/x denied (ReferenceInvalid): it is about a kind that is verified"},
		{"an apiVersion without its version", "x.yaml", "apiVersion: helm.toolkit.fluxcd.io\nkind: HelmRelease\nmetadata: {name: x}\n", "", "is not that of a HelmRelease"},
		{"a gated group without a kind", "x.yaml", "apiVersion: argoproj.io/v1alpha1\nmetadata: {name: x}\n", "", "apiVersion or kind is missing"},
		{"an Application of another group", "x.yaml", "apiVersion: app.k8s.io/v1beta1\nkind: Application\nmetadata: {name: x}\n", "", ""},
		{"a list of releases without items", "x.yaml", "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmReleaseList\nitems: {}\n", "", "has no items that can be read"},
		{"a List without items", "x.yaml", "apiVersion: v1\nkind: List\nitems: {}\n", "a List without items", ""},
		{"a List with its items in a map", "x.yaml", "apiVersion: v1\nkind: List\nitems: {a: {kind: HelmRelease}}\n", "", "has no items that can be read"},
		{"a list whose items leave out their kind", "x.yaml", "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmReleaseList\nitems: [{metadata: {name: listed, namespace: apps}, spec: {chart: {spec: {chart: unsigned, version: 1.0.0, sourceRef: {kind: HelmRepository, name: acme}}}}}]\n", "", "HelmRelease apps/listed denied (SignatureMissing)"},
		{"a list of YAML with a release in it", "x.yaml", "- " + strings.ReplaceAll(strings.TrimSpace(release("unsigned", "")), "\n", "\n  ") + "\n", "", "HelmRelease apps/unsigned denied (SignatureMissing)"},
		{"a List with scalars", "x.yaml", "apiVersion: v1\nkind: List\nitems: [x]\n", "items[0]: not a Kubernetes object", ""},
		{"an object of another kind that lists a release", "x.yaml", `{"apiVersion": "v1", "kind": "Bundle", "items": [{"apiVersion": "v1", "kind": "Bundle", "items": [` + inJSON("unsigned") + `]}]}`, "", "HelmRelease apps/unsigned denied (SignatureMissing)"},
		{"a release that lists another one of its kind", "x.json", strings.TrimSuffix(inJSON("podinfo"), "}") + `, "items": [{"metadata": {"name": "within", "namespace": "apps"}, "spec": {"chart": {"spec": {"chart": "unsigned", "version": "1.0.0", "sourceRef": {"kind": "HelmRepository", "name": "acme"}}}}}]}`, "", "HelmRelease apps/within denied (SignatureMissing)"},
		{"a release that lists a good one is examined itself", "x.json", strings.TrimSuffix(inJSON("unsigned"), "}") + `, "items": [` + inJSON("podinfo") + `]}`, "", "HelmRelease apps/unsigned denied (SignatureMissing)"},
		{"Helm values with items", "values.yaml", "items: [{kind: HelmRelease, name: x}]\n", "apiVersion or kind is missing", ""},
		{"the same object twice", "again.yaml", release("podinfo", ""), "", ""},
		{"another source of the same name", "again.yaml", strings.Replace(acmeRepository, "ghcr.io/acme", "ghcr.io/acme/other", 1),
			"warning: HelmRepository apps/acme is given twice, with different content: ", "HelmRelease apps/podinfo denied (ReferenceInvalid): HelmRepository apps/acme was found 2 times"},
		{"behind the end of a document", "x.yaml", "a: b\n...\n" + release("unsigned", ""), "document 1", "HelmRelease apps/unsigned denied (SignatureMissing)"},
		{"behind a marker with a comment", "x.yaml", "# a\n--- # b\n" + release("unsigned", ""), "", "HelmRelease apps/unsigned denied (SignatureMissing)"},
		{"on the line of a marker", "x.yaml", "--- {apiVersion: helm.toolkit.fluxcd.io/v2, kind: HelmRelease, metadata: {name: inline, namespace: apps}, spec: {chart: {spec: {chart: unsigned, version: 1.0.0, sourceRef: {kind: HelmRepository, name: acme}}}}}\n", "", "HelmRelease apps/inline denied (SignatureMissing)"},
		{"with a byte order mark", "x.yaml", "\ufeff" + strings.TrimSpace(release("unsigned", "")), "", "HelmRelease apps/unsigned denied (SignatureMissing)"},
		{"with line ends of Windows", "x.yml", strings.ReplaceAll("a: b\n---\n"+release("unsigned", ""), "\n", "\r\n"), "document 1", "HelmRelease apps/unsigned denied (SignatureMissing)"},
		{"in UTF-16", "x.yaml", utf16le("a: b\n---\n" + release("unsigned", "")), "document 1", "HelmRelease apps/unsigned denied (SignatureMissing)"},
		{"as JSON values in a row", "x.json", `{"a": 1} {"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "metadata": {"name": "row", "namespace": "apps"}, "spec": {"chart": {"spec": {"chart": "unsigned", "version": "1.0.0", "sourceRef": {"kind": "HelmRepository", "name": "acme"}}}}}`, "document 1", "HelmRelease apps/row denied (SignatureMissing)"},
		{"in a folder below", "overlays/prod/x.yaml", release("unsigned", ""), "", "HelmRelease apps/unsigned denied (SignatureMissing)"},
		{"in a hidden folder", ".hidden/x.yaml", release("unsigned", ""), "", "HelmRelease apps/unsigned denied (SignatureMissing)"},
		{"in the folder of Git, which no controller reads", ".git/x.yaml", release("unsigned", ""), "", ""},
		{"with its name in upper case", "X.YAML", release("unsigned", ""), "", "HelmRelease apps/unsigned denied (SignatureMissing)"},
		{"a name that moves the cursor of a terminal", "x.yaml", "apiVersion: v1\nkind: \"Pod\\e[2J\\nverified\"\nmetadata: {name: x}\n---\napiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {name: \"all\\e[2J\\nadmitted\", namespace: argocd}\nspec: {}\n",
			"x.yaml: document 2: ApplicationSet argocd/all [2J admitted is not examined", ""},
		{"an ApplicationSet", "x.yaml", "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {name: all, namespace: argocd}\nspec: {}\n",
			"x.yaml: document 1: ApplicationSet argocd/all is not examined; a cluster examines the Applications that it generates", ""},
		{"a source with a login of its own", "x.yaml", strings.Replace(strings.Replace(acmeRepository, "name: acme", "name: private", 1), "spec: {", "spec: {secretRef: {name: x}, provider: aws, ", 1),
			"x.yaml: document 1: HelmRepository apps/private names spec.secretRef, spec.provider, which only a cluster uses", ""},
		{"a source without one", "x.yaml", strings.Replace(strings.Replace(acmeRepository, "name: acme", "name: public", 1), "spec: {", "spec: {provider: generic, ", 1), "", ""},
		{"a Secret that SOPS has encrypted", "secret.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\ndata: {a: \"ENC[AES256_GCM,data:x]\"}\nsops: {mac: x}\n", "", ""},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			s := theShop(t)
			files := map[string]string{c.name: c.content}
			for name, content := range good {
				files[name] = content
			}
			got := s.verifyFolder(t, s.files(t, files))
			wantCode := exitAdmitted
			if c.denied != "" {
				wantCode = exitDenied
			}
			if got.Code != wantCode || !strings.Contains(got.Stdout, c.denied) || !strings.Contains(got.Stderr, c.passed) || (c.passed == "") != (got.Stderr == "") {
				t.Errorf("%+v", got)
			}
			if c.sentence != "another source of the same name" && !strings.Contains(got.Stdout, podinfoVerified) {
				t.Errorf("the rest is not judged: %+v", got)
			}
			if c.denied != "" && strings.Count(got.Stdout, "\n  next:     ") < strings.Count(got.Stdout, " denied (") {
				t.Errorf("a denial without a next step: %s", got.Stdout)
			}
		})
	}
}

// inJSON is a HelmRelease of a chart of the shop.
func inJSON(chart string) string {
	return `{"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "metadata": {"name": "` + chart + `", "namespace": "apps"}, "spec": {"chart": {"spec": {"chart": "` + chart + `", "version": "1.0.0", "sourceRef": {"kind": "HelmRepository", "name": "acme"}}}}}`
}

// What the reader of files takes for a gated kind is what the gate takes for one.
func TestGatedKinds(t *testing.T) {
	extractor := source.NewExtractor(siblings{}, source.Options{})
	for group, names := range gatedKinds.names {
		for _, name := range names {
			if !extractor.Gates(source.ID{Group: group, Kind: name}) {
				t.Errorf("%s %s is not gated", group, name)
			}
			if !gatedKinds.mention.MatchString("kind: " + name) {
				t.Errorf("a mention of %s is not found", name)
			}
		}
	}
	code, err := os.ReadFile("../../pkg/source/gatedkind.go")
	if err != nil {
		t.Fatal(err)
	}
	in := map[string]bool{}
	for _, match := range regexp.MustCompile(`case key\{\w+(?:\.Group)?, \w+\.(\w+)Kind, ""\}`).FindAllStringSubmatch(string(code), -1) {
		in[match[1]] = true
		if !gatedKinds.has("", match[1]) {
			t.Errorf("%s is gated, and would be passed over where it cannot be read", match[1])
		}
	}
	if len(in) < 5 {
		t.Errorf("only %v were found in gatedkind.go", in)
	}
}

func (s *shop) verifyFolder(t *testing.T, dir string) ran {
	t.Helper()
	policies := s.files(t, map[string]string{"policy.yaml": documentsOf(acmePolicy, releaseIdentity), "root.json": string(s.root)})
	return s.command(t, "", "verify", "-f", dir, "--policy", policies+"/policy.yaml", "--trusted-root", policies+"/root.json", "--plain-http", s.host)
}

func utf16le(text string) string {
	encoded := []byte("\xff\xfe")
	for i := range len(text) {
		encoded = append(encoded, text[i], 0)
	}
	return string(encoded)
}
