package faults_test

import (
	"encoding/json"
	"path"
)

// application is an Argo CD Application of a chart by version. It needs nothing but the registry.
func (w *world) application(repository, version string) write {
	return w.argo(map[string]any{
		"repoURL": w.registry.Host() + "/" + path.Dir(repository), "chart": path.Base(repository), "targetRevision": version,
	})
}

// byDigest is an Application of a chart by digest.
func (w *world) byDigest(repository, digest string) write {
	return w.argo(map[string]any{"repoURL": "oci://" + w.registry.Host() + "/" + repository, "targetRevision": digest})
}

func (w *world) argo(source map[string]any) write {
	return write{
		group: "argoproj.io", version: "v1alpha1", kind: "Application", namespace: "argocd", name: "podinfo",
		object: object("argoproj.io/v1alpha1", "Application", "argocd", map[string]any{"spec": map[string]any{"source": source}}),
	}
}

// unchanged is the same object written again, with a new status, as Argo CD does all day.
func unchanged(what write) write {
	var fields map[string]any
	if err := json.Unmarshal([]byte(what.object), &fields); err != nil {
		panic(err)
	}
	fields["status"] = map[string]any{"reconciledAt": "2026-11-20T12:00:00Z"}
	what.old, what.object = what.object, encode(fields)
	return what
}

// release is a HelmRelease of acme/podinfo through the HelmRepository "acme", which must be read.
func (w *world) release() write {
	w.api.Put("/apis/source.toolkit.fluxcd.io/v1/namespaces/apps/helmrepositories/acme", json.RawMessage(object(
		"source.toolkit.fluxcd.io/v1", "HelmRepository", "apps",
		map[string]any{"spec": map[string]any{"type": "oci", "url": "oci://" + w.registry.Host() + "/acme"}})))
	return write{
		group: "helm.toolkit.fluxcd.io", version: "v2", kind: "HelmRelease", namespace: "apps", name: "podinfo",
		object: object("helm.toolkit.fluxcd.io/v2", "HelmRelease", "apps", map[string]any{"spec": map[string]any{"chart": map[string]any{
			"spec": map[string]any{"chart": "podinfo", "version": "1.0.0", "sourceRef": map[string]any{"kind": "HelmRepository", "name": "acme"}},
		}}}),
	}
}

func object(apiVersion, kind, namespace string, fields map[string]any) string {
	fields["apiVersion"], fields["kind"] = apiVersion, kind
	fields["metadata"] = map[string]any{"namespace": namespace, "name": "podinfo"}
	return encode(fields)
}

func encode(fields map[string]any) string {
	raw, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return string(raw)
}
