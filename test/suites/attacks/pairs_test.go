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
		fluxChanges("release", change{apiVersion: helm, kind: "HelmRelease"}, releaseSpec, releaseTuning, releaseStatus),
		fluxChanges("attempt", change{apiVersion: helm, kind: "HelmRelease", user: helmController}, releaseSpec, releaseTuning, releaseStatus),
		recordChanges("record", change{apiVersion: helm, kind: "HelmRelease", subresource: "status", user: helmController,
			body: func(r *rand.Rand) fields { return fields{"spec": releaseSpec(r), "status": releaseStatus(r)} }}),
		fluxChanges("chart", change{apiVersion: flux, kind: "HelmChart"}, helmChartSpec, helmChartTuning, sourceStatus),
		fluxChanges("oci", change{apiVersion: flux, kind: "OCIRepository"}, ociSpec, ociTuning, sourceStatus),
		specChanges("repository", change{apiVersion: flux, kind: "HelmRepository"}, repositorySpec, repositoryTuning, sourceStatus),
		argoChanges("app", change{apiVersion: "argoproj.io/v1alpha1", kind: "Application", body: applicationBody}),
		argoChanges("argo", change{apiVersion: "argoproj.io/v1alpha1", kind: "Application", body: applicationBody, user: argoController}),
		argoChanges("applied", change{apiVersion: "argoproj.io/v1alpha1", kind: "Application", body: applicationBody, user: argoController, manager: "argocd-controller"}),
		gitChanges("git", change{apiVersion: "argoproj.io/v1alpha1", kind: "Application", body: gitBody}),
	)
}

type generator func(*rand.Rand) fields

// fluxChanges are of a kind whose status is gated too.
func fluxChanges(name string, of change, spec, tuning, status generator) []change {
	all := specChanges(name, of, spec, tuning, status)
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
		of.by(name+"-hydrator", func(r *rand.Rand, o fields) {
			o["spec"].(fields)["sourceHydrator"] = fields{
				"drySource":  fields{"repoURL": "https://git.example/dry", "path": ".", "targetRevision": "main"},
				"syncSource": fields{"repoURL": pick(r, "oci://ghcr.io/a", "oci://ghcr.io/b"), "path": some(r), "targetBranch": "1.0.0"},
			}
		}),
		of.by(name+"-operation", func(r *rand.Rand, o fields) {
			o["operation"] = fields{"sync": fields{"source": gitSource(r), "revision": "main", "manifests": []any{"{}"}}}
		}).thatIsIdle(),
	}
}

func gitSource(r *rand.Rand) fields {
	return without(fields{"repoURL": pick(r, "https://git.example/oci", "git@git.example:a/b.git"), "path": ".", "targetRevision": pick[any](r, nil, "main", fmt.Sprint(r.Int()))})
}

// deniedGitChanges change one part of what an Application takes from Git.
func deniedGitChanges() []change {
	of := change{apiVersion: "argoproj.io/v1alpha1", kind: "Application", body: func(r *rand.Rand) fields {
		body := gitBody(r)
		body["spec"].(fields)["sourceHydrator"] = fields{"drySource": fields{"repoURL": "https://git.example/dry", "path": some(r), "targetRevision": "main"}, "syncSource": fields{"targetBranch": "env", "path": "a"}}
		return body
	}}
	spec := func(o fields) fields { return o["spec"].(fields) }
	return []change{
		of.by("denied-all", nil),
		of.by("denied-path", func(r *rand.Rand, o fields) {
			spec(o)["source"] = fields{"repoURL": "https://git.example/oci", "path": some(r)}
		}),
		of.by("denied-paths", func(r *rand.Rand, o fields) {
			spec(o)["sources"] = []any{fields{"repoURL": "https://git.example/oci", "path": some(r)}}
		}),
		of.by("denied-dry", func(r *rand.Rand, o fields) {
			spec(o)["sourceHydrator"].(fields)["drySource"].(fields)["path"] = some(r)
		}),
		of.by("denied-sync", func(r *rand.Rand, o fields) {
			spec(o)["sourceHydrator"].(fields)["syncSource"].(fields)["path"] = some(r)
		}),
		of.by("denied-operation", func(r *rand.Rand, o fields) {
			o["operation"] = fields{"sync": fields{"source": gitSource(r), "revision": some(r)}}
		}),
	}
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

// specChanges are those of spec. Tuning are fields of it that decide no chart.
func specChanges(name string, of change, spec, tuning, status generator) []change {
	of.body = func(r *rand.Rand) fields { return without(fields{"spec": spec(r), "status": status(r)}) }
	// Objects without spec, which the definitions allow: expressions on them could fail.
	empty := of.by(name+"-none", nil)
	empty.body = func(r *rand.Rand) fields { return without(fields{"spec": pick[any](r, nil, spec(r))}) }
	return []change{
		of.by(name+"-spec", nil), empty,
		of.by(name+"-label", relabel).thatIsIdle(),
		of.by(name+"-tuned", tune(tuning)).thatIsIdle(),
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
		of.by(name+"-tuned", tune(applicationTuning)).thatIsIdle(),
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
