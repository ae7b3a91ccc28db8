package source_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/source"
)

type fields = map[string]any

// door is a kind of write, with a generator of objects and one object that sets
// every field of it.
type door struct {
	id          source.ID
	subresource string
	user        string
	random      func(*rand.Rand) fields
	full        string   // YAML
	irrelevant  []string // strings of full, by path, that select no chart
}

func (d door) name() string { return d.id.Kind + "/" + d.subresource }

func (d door) write(body []byte) source.Write {
	return source.Write{Object: source.Object{ID: d.id, JSON: body}, Subresource: d.subresource, User: d.user}
}

// pick returns one of the values; nil is a field that is null.
func pick(r *rand.Rand, values ...any) any { return values[r.IntN(len(values))] }

func randomTemplate(r *rand.Rand) fields {
	return fields{"chart": pick(r, "podinfo", "../x"), "version": pick(r, "1.0.0", "*", nil),
		"sourceRef": fields{"kind": pick(r, "HelmRepository", "GitRepository"), "name": pick(r, "acme", "absent"), "namespace": pick(r, nil, "team-b")}}
}

func randomHelmRelease(r *rand.Rand) fields {
	return fields{"spec": fields{
		"suspend":  pick(r, nil, false, false, true),
		"chart":    pick(r, nil, fields{"spec": randomTemplate(r)}),
		"chartRef": pick(r, nil, fields{"kind": pick(r, "OCIRepository", "HelmChart", "ExternalArtifact"), "name": pick(r, "podinfo", "absent"), "namespace": pick(r, nil, "team-b")}),
	}, "status": fields{"helmChart": pick(r, nil, "apps/podinfo", "apps/absent", "x")}}
}

func randomHelmChart(r *rand.Rand) fields {
	spec := randomTemplate(r)
	spec["suspend"], spec["valuesFiles"] = pick(r, nil, false, true), pick(r, nil, []any{"x.yaml"})
	return fields{"spec": spec, "status": fields{"artifact": pick(r, nil, fields{"digest": pick(r, hex("a"), hex("b"), nil), "revision": pick(r, "1.0.0", nil)})}}
}

func randomRepository(r *rand.Rand) fields {
	return fields{"spec": fields{"type": pick(r, nil, "oci", "oci"), "url": pick(r, "oci://ghcr.io/acme", "https://acme.example", "oci://evil.example"), "insecure": pick(r, nil, true), "provider": pick(r, nil, "aws")}}
}

func randomOCIRepository(r *rand.Rand) fields {
	return fields{"spec": fields{
		"suspend": pick(r, nil, false, true), "url": pick(r, "oci://ghcr.io/acme/podinfo", "oci://evil.example/podinfo", "x"),
		"ref":           pick(r, nil, fields{"tag": pick(r, nil, "1.0.0"), "semver": pick(r, nil, ">=1"), "digest": pick(r, nil, nil, hex("a"))}),
		"layerSelector": pick(r, nil, fields{"mediaType": pick(r, chartLayer, "application/x"), "operation": pick(r, nil, "copy", "extract")}),
	}, "status": fields{"artifact": pick(r, nil, fields{"revision": pick(r, "1.0.0@"+hex("a"), hex("b"), "1.0.0"), "digest": pick(r, hex("c"), hex("d"))})}}
}

func randomSource(r *rand.Rand) any {
	return pick(r, nil, fields{"path": "x"},
		fields{"repoURL": "ghcr.io/acme", "chart": pick(r, "podinfo", "x"), "targetRevision": pick(r, "1.0.0", "1.x", nil)},
		fields{"repoURL": "oci://ghcr.io/acme/podinfo", "chart": pick(r, nil, nil, "x"), "targetRevision": pick(r, "1.0.0", hex("a"))},
		fields{"repoURL": "https://github.com/acme/config", "targetRevision": "main"})
}

func randomSources(r *rand.Rand) any {
	var sources []any
	for range r.IntN(3) {
		if s := randomSource(r); s != nil {
			sources = append(sources, s)
		}
	}
	return sources
}

func randomSync(r *rand.Rand) fields {
	return fields{"source": randomSource(r), "sources": randomSources(r), "revision": pick(r, nil, "1.0.0", "2.0.0"),
		"revisions": pick(r, nil, []any{"1.0.0"}, []any{"1.0.0", "2.0.0"}), "manifests": pick(r, nil, nil, []any{"{}"})}
}

func randomApplication(r *rand.Rand) fields {
	operation := func() any {
		return pick(r, nil, fields{"sync": pick(r, nil, randomSync(r)), "retry": fields{"refresh": pick(r, nil, true)}})
	}
	return fields{
		"spec":      fields{"source": randomSource(r), "sources": randomSources(r), "sourceHydrator": pick(r, nil, fields{"drySource": randomSource(r), "syncSource": pick(r, nil, randomSource(r))})},
		"operation": operation(),
		"status":    fields{"operationState": pick(r, nil, fields{"operation": operation(), "syncResult": pick(r, nil, randomSync(r))})},
	}
}

const realMetadata = `
metadata: {namespace: apps, name: podinfo, uid: x, resourceVersion: "1", labels: {a: b}, annotations: {reconcile.fluxcd.io/requestedAt: now}, finalizers: [x]}
`

const fullSync = `{source: {repoURL: ghcr.io/a, chart: x, targetRevision: 1.0.0, path: p, ref: r, helm: {values: v}},
    sources: [{repoURL: ghcr.io/b, chart: x, targetRevision: 1.0.0, name: n}, {repoURL: "oci://ghcr.io/b/y", targetRevision: 1.0.0}], revision: 1.0.0, revisions: [1.0.0, 1.0.0]`

func doors() []door {
	flux := func(kind string) source.ID {
		return source.ID{Group: fluxGroup, Kind: kind, Namespace: "apps", Name: "podinfo"}
	}
	fluxRelease := source.ID{Group: helmGroup, Kind: "HelmRelease", Namespace: "apps", Name: "podinfo"}
	application := source.ID{Group: argoGroup, Kind: "Application", Namespace: "argocd", Name: "podinfo"}
	metadata := []string{"metadata", "apiVersion", "kind"}
	syncRest := func(prefix string) []string {
		var paths []string
		// The revisions of a sync replace those of its sources.
		for _, p := range []string{".source.path", ".source.ref", ".source.helm", ".source.targetRevision", ".sources.0.name", ".sources.0.targetRevision", ".sources.1.targetRevision"} {
			paths = append(paths, prefix+p)
		}
		return paths
	}
	releaseFull := realMetadata + `
spec:
  chart: {metadata: {labels: {a: b}}, spec: {chart: podinfo, version: 1.0.0, interval: 1m, reconcileStrategy: Revision, valuesFiles: [a], sourceRef: {apiVersion: v1, kind: HelmRepository, name: acme, namespace: team-b}}}
  chartRef: {apiVersion: v1, kind: OCIRepository, name: podinfo, namespace: team-b}
  values: {a: {b: c}}
  targetNamespace: x
  serviceAccountName: y
status: {helmChart: apps/podinfo, conditions: [{type: Ready, message: x}], history: [{chartName: x, digest: y}]}`
	chartFull := realMetadata + `
spec: {chart: podinfo, version: 1.0.0, interval: 1m, reconcileStrategy: x, valuesFiles: [a], sourceRef: {apiVersion: v1, kind: HelmRepository, name: acme}}
status: {artifact: {url: x, revision: 1.0.0, digest: "` + hex("a") + `", path: x, lastUpdateTime: y, metadata: {a: b}}, url: x, observedChartName: x, conditions: [{type: Ready, message: x}]}`
	ociFull := realMetadata + `
spec: {url: "oci://ghcr.io/acme/podinfo", interval: 1m, provider: generic, ignore: x, secretRef: {name: x}, ref: {tag: 1.0.0, semver: ">=1", semverFilter: x, digest: "` + hex("a") + `"}, layerSelector: {mediaType: ` + chartLayer + `, operation: copy}}
status: {artifact: {url: x, revision: "1.0.0@` + hex("a") + `", digest: "` + hex("b") + `", path: x, lastUpdateTime: y}, url: x, conditions: [{type: Ready, message: x}]}`
	return []door{
		{fluxRelease, "", editor, randomHelmRelease, releaseFull,
			append([]string{"spec.chart.metadata", "spec.chart.spec.interval", "spec.chart.spec.reconcileStrategy", "spec.chart.spec.valuesFiles", "spec.chart.spec.sourceRef.apiVersion", "spec.chartRef.apiVersion", "spec.values", "spec.targetNamespace", "spec.serviceAccountName", "status"}, metadata...)},
		{fluxRelease, "status", editor, randomHelmRelease, releaseFull, append([]string{"spec", "status.conditions"}, metadata...)},
		{flux("HelmRepository"), "", editor, randomRepository, realMetadata + `
spec: {type: oci, url: "oci://ghcr.io/acme", provider: generic, interval: 1m, secretRef: {name: x}}
status: {url: x}`, append([]string{"spec.interval", "spec.secretRef", "status"}, metadata...)},
		{flux("HelmChart"), "", editor, randomHelmChart, chartFull, append([]string{"spec.interval", "spec.reconcileStrategy", "spec.valuesFiles", "spec.sourceRef.apiVersion", "status"}, metadata...)},
		{flux("HelmChart"), "status", editor, randomHelmChart, chartFull, append([]string{"spec.interval", "spec.reconcileStrategy", "spec.valuesFiles", "spec.sourceRef.apiVersion",
			"status.artifact.path", "status.artifact.lastUpdateTime", "status.artifact.metadata", "status.url", "status.observedChartName", "status.conditions"}, metadata...)},
		{flux("OCIRepository"), "", editor, randomOCIRepository, ociFull, append([]string{"spec.interval", "spec.provider", "spec.ignore", "spec.secretRef", "spec.layerSelector.operation", "status"}, metadata...)},
		{flux("OCIRepository"), "status", editor, randomOCIRepository, ociFull, append([]string{"spec.interval", "spec.provider", "spec.ignore", "spec.secretRef",
			"status.artifact.path", "status.artifact.lastUpdateTime", "status.url", "status.conditions"}, metadata...)},
		{application, "", editor, randomApplication, realMetadata + `
spec:
  project: default
  destination: {server: x}
  source: {repoURL: ghcr.io/a, chart: x, targetRevision: 1.0.0, path: p, helm: {values: v}}
  sources: [{repoURL: ghcr.io/b, chart: x, targetRevision: 1.0.0}, {repoURL: "oci://ghcr.io/b/y", targetRevision: 1.0.0}]
  sourceHydrator: {drySource: {repoURL: "oci://ghcr.io/c", targetRevision: 1.0.0, path: p}, syncSource: {targetBranch: b}}
operation: {initiatedBy: {username: x}, sync: ` + fullSync + `, manifests: ["{}"], syncOptions: [x]}}
status:
  reconciledAt: x
  sync: {revision: x, comparedTo: {source: {repoURL: x}}}
  history: [{revision: x, source: {repoURL: x}}]
  operationState: {phase: Running, message: x, operation: {sync: ` + fullSync + `, manifests: ["{}"]}}, syncResult: ` + fullSync + `, resources: [{name: x}]}}`,
			slices.Concat(metadata, []string{"spec.project", "spec.destination", "spec.source.path", "spec.source.helm", "spec.sourceHydrator.drySource.path", "spec.sourceHydrator.syncSource.path",
				"operation.initiatedBy", "operation.sync.syncOptions", "status.reconciledAt", "status.sync", "status.history",
				"status.operationState.message", "status.operationState.syncResult.resources"},
				syncRest("operation.sync"), syncRest("status.operationState.operation.sync"), syncRest("status.operationState.syncResult"))},
	}
}

// leaves calls visit for every string below value, with its path and how to set it.
func leaves(path string, value any, set func(any), visit func(path, value string, set func(any))) {
	switch v := value.(type) {
	case string:
		visit(path, v, set)
	case fields:
		for key, child := range v {
			leaves(strings.TrimPrefix(path+"."+key, "."), child, func(to any) { v[key] = to }, visit)
		}
	case []any:
		for i, child := range v {
			leaves(fmt.Sprintf("%s.%d", path, i), child, func(to any) { v[i] = to }, visit)
		}
	}
}

func encode(t testing.TB, value any) []byte {
	t.Helper()
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// A field either selects a chart, and then its change is news, or it does not, and
// then its change costs nothing.
func TestEveryStringThatSelectsAChart(t *testing.T) {
	for _, d := range doors() {
		t.Run(d.name(), func(t *testing.T) {
			before := parseOne(t, "apiVersion: v1\nkind: "+d.id.Kind+d.full).JSON
			var object fields
			if err := json.Unmarshal(before, &object); err != nil {
				t.Fatal(err)
			}
			var relevant int
			leaves("", object, nil, func(path, value string, set func(any)) {
				isRelevant := !slices.ContainsFunc(d.irrelevant, func(p string) bool { return path == p || strings.HasPrefix(path, p+".") })
				set(value + "0")
				c := &cluster{}
				w := d.write(encode(t, object))
				w.Old = before
				changes, err := source.NewExtractor(c, source.Options{}).Changes(w)
				set(value)
				switch {
				case err != nil:
					t.Errorf("%s: %v", path, err)
				case changes.Empty() == isRelevant:
					t.Errorf("%s: changed from %q, and None is %t", path, value, changes.Empty())
				case c.reads > 0:
					t.Errorf("%s: comparing cost %d reads", path, c.reads)
				}
				if isRelevant {
					relevant++
				}
			})
			if relevant == 0 {
				t.Error("no field was tried")
			}
		})
	}
}

const randomPairs = 800

// propertyCluster holds what random objects refer to.
func propertyCluster(t testing.TB) *cluster {
	return &cluster{objects: parse(t, acme+object("HelmRepository", "team-b/acme", `spec: {type: oci, url: "oci://ghcr.io/team-b"}`)+
		ociRepo(ociSpec(", ref: {tag: 1.0.0}"))+helmChart(helmChartSpec)+byRef("team-c", ", namespace: apps"))}
}

// What is news against an old object is part of what the new one claims, and holds
// everything that the old one did not claim at the same place.
func TestRandomPairs(t *testing.T) {
	for _, d := range doors() {
		t.Run(d.name(), func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			c := propertyCluster(t)
			e := source.NewExtractor(c, source.Options{DenyArgoGit: true})
			var news, none int
			// Beside an operation that runs, another user's state is denied as a whole.
			const mixed = "status.operationState: Unsupported"
			for range randomPairs {
				object, old := d.random(r), d.random(r)
				newBody, oldBody := encode(t, object), encode(t, old)
				all, before := withoutOrigin(usesOf(t.Context(), e, d.write(newBody))), withoutOrigin(usesOf(t.Context(), e, d.write(oldBody)))
				w := d.write(newBody)
				w.Old = oldBody
				c.reads = 0
				got := usesOf(t.Context(), e, w)
				for i, use := range got {
					got[i] = strings.Replace(use, fromElsewhere, "", 1)
					if !slices.Contains(all, got[i]) && use != mixed {
						t.Fatalf("%s is no use of\n%s\nold:\n%s", use, newBody, oldBody)
					}
				}
				for _, use := range all {
					if slices.Contains(got, mixed) && strings.HasPrefix(use, "status.operationState.") {
						continue
					}
					if !slices.Contains(before, use) && !slices.Contains(got, use) {
						t.Fatalf("%s is missing of\n%s\nold:\n%s", use, newBody, oldBody)
					}
				}
				if len(got) == 0 {
					none++
					if c.reads > 0 {
						t.Fatalf("%d reads for nothing:\n%s\nold:\n%s", c.reads, newBody, oldBody)
					}
				} else {
					news++
				}
			}
			if news < randomPairs/20 || none < 5 {
				t.Errorf("the pairs prove little: %d with news, %d without", news, none)
			}
		})
	}
}

// An object compared with itself is no news, however its other fields change.
func TestUnchanged(t *testing.T) {
	for _, d := range doors() {
		t.Run(d.name(), func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 4))
			c := &cluster{}
			for range randomPairs {
				object := d.random(r)
				before := encode(t, object)
				object["metadata"] = fields{"labels": fields{"a": pick(r, "b", nil)}, "deletionTimestamp": pick(r, nil, "2026-11-20T12:00:00Z")}
				if status, ok := object["status"].(fields); ok {
					status["conditions"], status["reconciledAt"] = pick(r, nil, []any{fields{"type": "Ready"}}), pick(r, "a", "b")
				}
				object["spec"].(fields)["values"] = pick(r, nil, fields{"chart": "x", "repoURL": "y"})
				w := d.write(encode(t, object))
				w.Old = before
				changes, err := source.NewExtractor(c, source.Options{DenyArgoGit: true}).Changes(w)
				if diff := cmp.Diff([]any{nil, true, 0}, []any{err, changes.Empty(), c.reads}); diff != "" {
					t.Fatalf("%s\n%s\nold:\n%s", diff, w.JSON, before)
				}
			}
		})
	}
}
