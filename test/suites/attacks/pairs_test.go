package attacks_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// change is a way in which objects of one kind change. All values are taken from short lists, so
// that some pairs are equal in the fields that select a chart.
type change struct {
	name, apiVersion, kind, subresource string
	// user makes the change: the admin if "".
	user string
	// manager is the field manager that the change names.
	manager string
	// idle changes do not make a chart deployable, and must not reach the webhook.
	idle bool
	// nulls may be refused by the object's definition.
	nulls bool
	body  func(r *rand.Rand) fields
	// move changes the body; nil makes a new one.
	move func(r *rand.Rand, o fields)
}

type fields = map[string]any

func (c change) first(r *rand.Rand, name string) *unstructured.Unstructured {
	o := newObject(c.apiVersion, c.kind, name)
	maps.Copy(o.Object, c.body(r))
	return o
}

func (c change) next(r *rand.Rand, o *unstructured.Unstructured) *unstructured.Unstructured {
	if c.move != nil {
		c.move(r, o.Object)
		return o
	}
	delete(o.Object, "spec")
	delete(o.Object, "operation")
	delete(o.Object, "status")
	maps.Copy(o.Object, c.body(r))
	return o
}

func newObject(apiVersion, kind, name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: fields{
		"apiVersion": apiVersion, "kind": kind, "metadata": fields{"name": name, "namespace": "apps"},
	}}
}

func changes() []change {
	const helm, flux = "helm.toolkit.fluxcd.io/v2", "source.toolkit.fluxcd.io/v1"
	return slices.Concat(
		fluxChanges("release", change{apiVersion: helm, kind: "HelmRelease"}, releaseSpec, releaseStatus),
		fluxChanges("attempt", change{apiVersion: helm, kind: "HelmRelease", user: helmController}, releaseSpec, releaseStatus),
		recordChanges("record", change{apiVersion: helm, kind: "HelmRelease", subresource: "status", user: helmController,
			body: func(r *rand.Rand) fields { return fields{"spec": releaseSpec(r), "status": releaseStatus(r)} }}),
		fluxChanges("chart", change{apiVersion: flux, kind: "HelmChart"}, helmChartSpec, sourceStatus),
		fluxChanges("oci", change{apiVersion: flux, kind: "OCIRepository"}, ociSpec, sourceStatus),
		specChanges("repository", change{apiVersion: flux, kind: "HelmRepository"}, repositorySpec, sourceStatus),
		argoChanges("app", change{apiVersion: "argoproj.io/v1alpha1", kind: "Application", body: applicationBody}),
		argoChanges("argo", change{apiVersion: "argoproj.io/v1alpha1", kind: "Application", body: applicationBody, user: argoController}),
		argoChanges("applied", change{apiVersion: "argoproj.io/v1alpha1", kind: "Application", body: applicationBody, user: argoController, manager: "argocd-controller"}),
		gitChanges("git", change{apiVersion: "argoproj.io/v1alpha1", kind: "Application", body: gitBody}),
	)
}

type generator func(*rand.Rand) fields

// fluxChanges are of a kind whose status is gated too.
func fluxChanges(name string, of change, spec, status generator) []change {
	all := specChanges(name, of, spec, status)
	of.body, of.subresource = all[0].body, "status"
	return append(all,
		of.by(name+"-status", func(r *rand.Rand, o fields) { maps.Copy(o, without(fields{"status": status(r)})) }),
		of.by(name+"-gone", func(_ *rand.Rand, o fields) { delete(o, "status") }),
		of.by(name+"-condition", recondition).thatIsIdle(),
		of.by(name+"-null-status", nullify("status")).withNulls(),
	)
}

// recordChanges are those that helm-controller writes without deploying its source.
func recordChanges(name string, of change) []change {
	announce := func(action string) func(*rand.Rand, fields) {
		return func(r *rand.Rand, o fields) {
			o["status"].(fields)["conditions"] = []any{reconciling(r, "Running '"+action+"' action with timeout of 5m0s")}
		}
	}
	return []change{
		of.by(name+"-history", func(r *rand.Rand, o fields) { o["status"].(fields)["history"] = history(r) }).thatIsIdle(),
		of.by(name+"-generation", func(r *rand.Rand, o fields) { o["status"].(fields)["lastAttemptedGeneration"] = int64(r.IntN(99)) }).thatIsIdle(),
		of.by(name+"-rollback", announce("rollback")).thatIsIdle(),
		of.by(name+"-drift", announce("correct cluster drift")).thatIsIdle(),
		of.by(name+"-uninstall", announce("uninstall")).thatIsIdle(),
		of.by(name+"-adopt", announce("adopt")),
	}
}

// gitChanges are of Applications that do not name a chart.
func gitChanges(name string, of change) []change {
	return []change{
		of.by(name+"-all", nil).thatIsIdle(),
		of.by(name+"-operation", func(r *rand.Rand, o fields) {
			o["operation"] = fields{"sync": fields{"source": gitSource(r), "revision": "main", "manifests": []any{"{}"}}}
		}).thatIsIdle(),
	}
}

func gitSource(r *rand.Rand) fields {
	return without(fields{"repoURL": pick(r, "https://git.example/oci", "git@git.example:a/b.git"), "path": ".", "targetRevision": pick[any](r, nil, "main", fmt.Sprint(r.Int()))})
}

func gitBody(r *rand.Rand) fields {
	spec := fields{"project": "default", "destination": fields{}}
	maps.Copy(spec, pick(r, fields{"source": gitSource(r)}, fields{"sources": []any{gitSource(r), gitSource(r)}}))
	sync := fields{"source": gitSource(r), "revision": "main"}
	return without(fields{
		"spec": spec, "operation": pick[any](r, nil, fields{"sync": fields{"revision": fmt.Sprint(r.Int())}}),
		"status": pick[any](r, nil, fields{"operationState": fields{
			"phase": "Running", "startedAt": "2026-01-01T00:00:00Z", "operation": fields{"sync": sync}, "syncResult": sync,
		}}),
	})
}

func specChanges(name string, of change, spec, status generator) []change {
	of.body = func(r *rand.Rand) fields { return without(fields{"spec": spec(r), "status": status(r)}) }
	// Objects without spec, which the definitions allow: expressions on them could fail.
	empty := of.by(name+"-none", nil)
	empty.body = func(r *rand.Rand) fields { return without(fields{"spec": pick[any](r, nil, spec(r))}) }
	return []change{
		of.by(name+"-spec", nil), empty,
		of.by(name+"-label", relabel).thatIsIdle(),
		of.by(name+"-null", nullify("spec")).withNulls(),
	}
}

// argoChanges are made by users and by Argo CD itself; only Argo CD may write the state of an
// operation freely.
func argoChanges(name string, of change) []change {
	idle := of.by(name+"-progress", progress)
	if of.user != "" && of.manager == "" {
		idle = idle.thatIsIdle()
	}
	return []change{
		idle,
		of.by(name+"-all", nil),
		of.by(name+"-operation", func(r *rand.Rand, o fields) { o["operation"] = operation(r) }),
		of.by(name+"-state", func(r *rand.Rand, o fields) { o["status"] = fields{"operationState": state(r)} }),
		of.by(name+"-result", func(r *rand.Rand, o fields) { stateOf(r, o)["syncResult"] = result(r) }),
		of.by(name+"-part", func(r *rand.Rand, o fields) {
			if result, ok := stateOf(r, o)["syncResult"].(fields); ok {
				maps.Copy(result, pick(r,
					fields{"source": one(r)}, fields{"sources": []any{one(r)}}, fields{"revision": "3.0.0"}, fields{"revisions": []any{"3.0.0"}}))
			}
		}),
		of.by(name+"-phase", func(r *rand.Rand, o fields) { stateOf(r, o)["phase"] = pick(r, "Running", "Succeeded", "Terminating") }),
		of.by(name+"-gone", func(_ *rand.Rand, o fields) { delete(o, "status"); delete(o, "operation") }),
		of.by(name+"-null", nullify("spec", "operation", "status")).withNulls(),
		of.by(name+"-label", relabel).thatIsIdle(),
	}
}

// stateOf is status.operationState, created if it does not exist.
func stateOf(r *rand.Rand, o fields) fields {
	status, _ := o["status"].(fields)
	was, _ := status["operationState"].(fields)
	if was == nil {
		was = state(r)
		o["status"] = fields{"operationState": was}
	}
	return was
}

func (c change) by(name string, move func(*rand.Rand, fields)) change {
	c.name, c.move = name, move
	return c
}

func (c change) thatIsIdle() change { c.idle = true; return c }
func (c change) withNulls() change  { c.nulls = true; return c }

func relabel(r *rand.Rand, o fields) {
	o["metadata"].(fields)["labels"] = fields{"random": fmt.Sprint(r.IntN(1000))}
	o["metadata"].(fields)["finalizers"] = []any{"mallory.example/hold"}
}

// progress is what Argo CD writes during a sync, and when it compares an Application.
func progress(r *rand.Rand, o fields) {
	status, _ := o["status"].(fields)
	if status == nil {
		status = fields{}
	}
	status["reconciledAt"] = fmt.Sprintf("2026-01-01T00:00:%02dZ", r.IntN(60))
	if state, ok := status["operationState"].(fields); ok {
		state["message"], state["phase"] = fmt.Sprint(r.Int()), pick(r, "Running", "Succeeded")
	}
	o["status"] = status
}

// nullify puts null in the place of some value in one of the parts, or of a part itself.
func nullify(parts ...string) func(*rand.Rand, fields) {
	return func(r *rand.Rand, o fields) {
		at, name := o, pick(r, parts...)
		for range r.IntN(4) {
			inner, ok := at[name].(fields)
			if !ok || len(inner) == 0 {
				break
			}
			at, name = inner, pick(r, slices.Sorted(maps.Keys(inner))...)
		}
		at[name] = nil
	}
}

func recondition(r *rand.Rand, o fields) {
	status, _ := o["status"].(fields)
	if status == nil {
		status = fields{}
	}
	status["observedGeneration"] = int64(r.IntN(10))
	status["conditions"] = conditions(r)
	o["status"] = status
}

func conditions(r *rand.Rand) []any {
	return []any{fields{
		"type": "Ready", "status": pick(r, "True", "False"), "reason": "Random", "message": fmt.Sprint(r.IntN(1000)),
		"lastTransitionTime": "2026-01-01T00:00:00Z",
	}}
}

func releaseSpec(r *rand.Rand) fields {
	spec := fields{"interval": pick(r, "5m", "10m"), "suspend": pick[any](r, nil, false, true), "values": pick[any](r, nil, fields{"x": "y"})}
	if r.IntN(2) == 0 {
		spec["chart"] = fields{"spec": without(fields{
			"chart": pick(r, "podinfo", "other"), "version": pick[any](r, nil, "1.0.0", "*"), "interval": pick[any](r, nil, "1m"),
			"sourceRef": without(fields{"kind": pick(r, "HelmRepository", "Bucket"), "name": pick(r, "acme", "other"), "namespace": pick[any](r, nil, "apps", "team-b")}),
		})}
	} else {
		spec["chartRef"] = without(fields{
			"kind": pick(r, "OCIRepository", "HelmChart", "ExternalArtifact"), "name": pick(r, "a", "b"), "namespace": pick[any](r, nil, "apps", "team-b"),
		})
	}
	return without(spec)
}

func releaseStatus(r *rand.Rand) fields {
	running := fmt.Sprintf("Running '%s' action with timeout of %dm", pick(r, "install", "upgrade", "rollback", "adopt"), r.IntN(2))
	return without(fields{
		"helmChart": pick[any](r, nil, "", "apps/a", "apps/b"), "failures": pick[any](r, nil, int64(3)),
		"conditions": pick[any](r, nil, conditions(r), append(conditions(r), reconciling(r, running)), []any{reconciling(r, "Fulfilling prerequisites")}),
		"history":    pick[any](r, nil, history(r)), "lastAttemptedGeneration": pick[any](r, nil, int64(r.IntN(3))),
		"lastAttemptedRevision": pick[any](r, nil, "", "1.0.0", "1.1.0"), "lastAttemptedRevisionDigest": pick[any](r, nil, nil, evil),
		"lastAttemptedConfigDigest": pick[any](r, nil, nil, "sha256:0", "sha256:1"), "lastAttemptedValuesChecksum": pick[any](r, nil, nil, "0"),
	})
}

func reconciling(r *rand.Rand, message string) fields {
	return fields{"type": "Reconciling", "status": "True", "reason": "Progressing", "message": message, "lastTransitionTime": fmt.Sprintf("2026-01-01T00:00:%02dZ", r.IntN(60))}
}

// history are the snapshots of one or two releases.
func history(r *rand.Rand) []any {
	var all []any
	for i := range 1 + r.IntN(2) {
		all = append(all, fields{
			"name": "podinfo", "namespace": "apps", "version": int64(2 - i), "status": "deployed", "chartName": "podinfo", "chartVersion": "1.0.0",
			"configDigest": "sha256:0", "digest": fmt.Sprintf("sha256:%d", r.IntN(3)), "firstDeployed": "2026-01-01T00:00:00Z", "lastDeployed": "2026-01-01T00:00:00Z",
		})
	}
	return all
}

func repositorySpec(r *rand.Rand) fields {
	return without(fields{
		"url": pick(r, "oci://ghcr.io/a", "oci://ghcr.io/b", "https://charts.example"), "type": pick[any](r, nil, "oci", "default"), "interval": pick[any](r, nil, "1m"),
		"insecure": pick[any](r, nil, false, true), "provider": pick[any](r, nil, "generic", "aws"), "suspend": pick[any](r, nil, false, true),
	})
}

func helmChartSpec(r *rand.Rand) fields {
	return without(fields{
		"chart": pick(r, "podinfo", "other"), "version": pick[any](r, nil, "1.0.0", "*"), "interval": pick(r, "1m", "5m"), "suspend": pick[any](r, nil, false, true),
		"sourceRef": fields{"kind": pick(r, "HelmRepository", "GitRepository"), "name": pick(r, "a", "b")}, "valuesFiles": pick[any](r, nil, []any{}, []any{"x.yaml"}),
	})
}

func ociSpec(r *rand.Rand) fields {
	ref := without(fields{"tag": pick[any](r, nil, "1.0.0", "latest"), "semver": pick[any](r, nil, "1.x"), "digest": pick[any](r, nil, evil)})
	return without(fields{
		"url": pick(r, "oci://ghcr.io/a", "oci://ghcr.io/b"), "interval": "1m", "ref": pick[any](r, nil, ref), "suspend": pick[any](r, nil, false, true),
		"insecure": pick[any](r, nil, true), "layerSelector": pick[any](r, nil, fields{"operation": pick(r, "copy", "extract")}),
	})
}

func sourceStatus(r *rand.Rand) fields {
	artifact := fields{
		"url": pick(r, "http://a/x", "http://b/x"), "path": "x", "lastUpdateTime": pick(r, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
		"revision": pick(r, "1.0.0@"+evil, "1.0.0"), "digest": pick(r, evil, "sha256:00"),
	}
	return without(fields{"artifact": pick[any](r, nil, artifact), "conditions": pick[any](r, nil, conditions(r)), "observedGeneration": pick[any](r, nil, int64(1))})
}

func applicationBody(r *rand.Rand) fields {
	spec := fields{"project": "default", "destination": fields{"namespace": pick(r, "a", "b")}}
	maps.Copy(spec, sourcesOf(r))
	if r.IntN(4) == 0 {
		spec["sourceHydrator"] = fields{
			"drySource":  fields{"repoURL": pick(r, "oci://ghcr.io/a", "https://git.example"), "path": ".", "targetRevision": pick(r, "1.0.0", "2.0.0")},
			"syncSource": fields{"path": ".", "targetBranch": "main"},
		}
	}
	return without(fields{
		"spec": spec, "operation": pick[any](r, nil, operation(r)), "status": pick[any](r, nil, fields{}, fields{"operationState": state(r)}),
	})
}

// sourcesOf is source, sources, both or neither.
func sourcesOf(r *rand.Rand) fields {
	return without(fields{"source": pick[any](r, nil, one(r)), "sources": pick[any](r, nil, []any{}, []any{one(r)}, []any{one(r), one(r)})})
}

func one(r *rand.Rand) fields {
	return without(fields{
		"repoURL": pick(r, "ghcr.io/a", "oci://ghcr.io/a", "https://git.example"), "chart": pick[any](r, nil, "", "podinfo"),
		"targetRevision": pick[any](r, nil, "1.0.0", "2.0.0"), "path": pick[any](r, nil, "."),
	})
}

func revisionsOf(r *rand.Rand) fields {
	return without(fields{"revision": pick[any](r, nil, "", "1.0.0"), "revisions": pick[any](r, nil, []any{"1.0.0"}, []any{"1.0.0", ""})})
}

func operation(r *rand.Rand) fields {
	sync := sourcesOf(r)
	maps.Copy(sync, revisionsOf(r))
	maps.Copy(sync, without(fields{"manifests": pick[any](r, nil, []any{"{}"}), "prune": pick[any](r, nil, true)}))
	return without(fields{"sync": pick[any](r, nil, sync, sync), "retry": pick[any](r, nil, fields{"limit": int64(r.IntN(3))})})
}

func state(r *rand.Rand) fields {
	return without(fields{
		"phase": pick(r, "Running", "Succeeded"), "startedAt": "2026-01-01T00:00:00Z", "operation": operation(r), "syncResult": pick[any](r, nil, result(r)),
		"message": pick[any](r, nil, "x"),
	})
}

func result(r *rand.Rand) fields {
	found := sourcesOf(r)
	maps.Copy(found, revisionsOf(r))
	if _, ok := found["revision"]; !ok {
		found["revision"] = "" // the definition requires it
	}
	return found
}

func pick[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

// without leaves nil fields out.
func without(o fields) fields {
	maps.DeleteFunc(o, func(_ string, v any) bool { return v == nil })
	return o
}
