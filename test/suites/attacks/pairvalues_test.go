package attacks_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
)

func relabel(r *rand.Rand, o fields) {
	o["metadata"].(fields)["labels"] = fields{"random": fmt.Sprint(r.IntN(1000))}
	o["metadata"].(fields)["finalizers"] = []any{"mallory.example/hold"}
}

// tune puts other values into fields of spec that decide no chart.
func tune(tuning generator) func(*rand.Rand, fields) {
	return func(r *rand.Rand, o fields) {
		if spec, ok := o["spec"].(fields); ok {
			merge(spec, tuning(r))
		}
	}
}

// merge puts fields into an object. Objects among them go into those that are there, and lists are
// of objects: their first one goes into each that is there.
func merge(into, from fields) {
	for name, value := range from {
		part, isObject := value.(fields)
		list, isList := value.([]any)
		switch was := into[name].(type) {
		case fields:
			if isObject {
				merge(was, part)
				continue
			}
		case []any:
			if isList {
				for _, item := range was {
					merge(item.(fields), list[0].(fields))
				}
				continue
			}
		}
		if name == "chart" || name == "source" || name == "sources" || name == "sourceHydrator" {
			continue // what is not there stays away
		}
		into[name] = value
	}
}

func releaseTuning(r *rand.Rand) fields {
	return fields{
		"interval": some(r), "timeout": some(r), "values": fields{"replicas": int64(r.IntN(99))}, "maxHistory": int64(r.IntN(9)), "releaseName": pick(r, "a", "b"),
		"valuesFrom": []any{fields{"kind": "ConfigMap", "name": pick(r, "a", "b")}}, "dependsOn": []any{fields{"name": pick(r, "a", "b")}},
		"install": fields{"remediation": fields{"retries": int64(r.IntN(9))}}, "upgrade": fields{"force": pick(r, false, true)}, "targetNamespace": pick(r, "a", "b"),
		"driftDetection": fields{"mode": pick(r, "enabled", "warn")}, "serviceAccountName": pick(r, "a", "b"),
		"chart": fields{"metadata": fields{"labels": fields{"a": some(r)}}, "spec": fields{"interval": some(r), "reconcileStrategy": pick(r, "ChartVersion", "Revision")}},
	}
}

func repositoryTuning(r *rand.Rand) fields {
	return fields{"interval": some(r), "timeout": some(r), "suspend": pick(r, false, true), "secretRef": fields{"name": some(r)}, "certSecretRef": fields{"name": some(r)}}
}

func helmChartTuning(r *rand.Rand) fields {
	return fields{"interval": some(r), "reconcileStrategy": pick(r, "ChartVersion", "Revision"), "ignoreMissingValuesFiles": pick(r, false, true)}
}

func ociTuning(r *rand.Rand) fields {
	return fields{
		"interval": some(r), "timeout": some(r), "ignore": some(r), "secretRef": fields{"name": some(r)}, "certSecretRef": fields{"name": some(r)},
		"serviceAccountName": some(r), "provider": pick(r, "generic", "aws"),
	}
}

func applicationTuning(r *rand.Rand) fields {
	of := fields{"helm": fields{"values": some(r), "parameters": []any{fields{"name": "a", "value": some(r)}}}, "path": some(r)}
	return fields{
		"project": some(r), "destination": fields{"server": some(r)}, "syncPolicy": fields{"automated": fields{"prune": pick(r, false, true)}},
		"revisionHistoryLimit": int64(r.IntN(9)), "source": of, "sources": []any{of},
		"sourceHydrator": fields{"drySource": fields{"path": some(r)}, "syncSource": fields{"path": some(r)}},
	}
}

// some is a duration.
func some(r *rand.Rand) string { return fmt.Sprintf("%dm", 1+r.IntN(50)) }

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
	kept, _ := status["conditions"].([]any)
	kept = slices.DeleteFunc(kept, func(c any) bool { return c.(fields)["type"] != "ArtifactInStorage" }) // its own record
	status["conditions"] = append(conditions(r), kept...)
	o["status"] = status
}

func conditions(r *rand.Rand) []any {
	return []any{condition(r, "Ready", fmt.Sprint(r.IntN(1000)))}
}

func condition(r *rand.Rand, kind, message string) fields {
	return fields{
		"type": kind, "status": pick(r, "True", "False"), "reason": "Random", "message": message, "lastTransitionTime": "2026-01-01T00:00:00Z",
	}
}

func releaseSpec(r *rand.Rand) fields {
	spec := fields{"interval": pick(r, "5m", "10m"), "suspend": pick[any](r, nil, false, true), "values": pick[any](r, nil, fields{"x": "y"})}
	if r.IntN(2) == 0 {
		spec["chart"] = fields{"spec": without(fields{
			"chart": pick(r, "podinfo", "other"), "version": pick[any](r, nil, "1.0.0", "*"), "interval": pick[any](r, nil, "1m"), "valuesFiles": pick[any](r, nil, []any{"x.yaml"}),
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
	ref := without(fields{"tag": pick[any](r, nil, "1.0.0", "latest"), "semver": pick[any](r, nil, "1.x"), "semverFilter": pick[any](r, nil, ".*-rc.*"), "digest": pick[any](r, nil, evil)})
	return without(fields{
		"url": pick(r, "oci://ghcr.io/a", "oci://ghcr.io/b"), "interval": "1m", "ref": pick[any](r, nil, ref), "suspend": pick[any](r, nil, false, true),
		"insecure": pick[any](r, nil, true), "proxySecretRef": pick[any](r, nil, fields{"name": "a"}), "layerSelector": pick[any](r, nil, without(fields{"operation": pick(r, "copy", "extract"), "mediaType": pick[any](r, nil, "application/vnd.cncf.helm.chart.content.v1.tar+gzip")})),
	})
}

func sourceStatus(r *rand.Rand) fields {
	artifact := fields{
		"url": pick(r, "http://a/x", "http://b/x"), "path": "x", "lastUpdateTime": pick(r, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
		"revision": pick(r, "1.0.0@"+evil, "1.0.0"), "digest": pick(r, evil, "sha256:00"),
	}
	return without(fields{"artifact": pick[any](r, nil, artifact), "conditions": pick[any](r, nil, conditions(r), append(conditions(r), inStorage(r))), "observedGeneration": pick[any](r, nil, int64(1))})
}

// inStorage is the record of source-controller, which only it may write.
func inStorage(r *rand.Rand) fields {
	stored := condition(r, "ArtifactInStorage", "stored")
	stored["observedGeneration"] = int64(r.IntN(2))
	return stored
}

func applicationBody(r *rand.Rand) fields {
	spec := fields{"project": "default", "destination": fields{"namespace": pick(r, "a", "b")}}
	maps.Copy(spec, sourcesOf(r))
	if r.IntN(4) == 0 {
		spec["sourceHydrator"] = fields{
			"drySource":  fields{"repoURL": pick(r, "oci://ghcr.io/a", "https://git.example"), "path": ".", "targetRevision": pick(r, "1.0.0", "2.0.0")},
			"syncSource": without(fields{"path": ".", "targetBranch": pick(r, "main", "dev"), "repoURL": pick[any](r, nil, "oci://ghcr.io/b", "https://git.example/b")}),
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
