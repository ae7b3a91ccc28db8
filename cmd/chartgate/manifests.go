package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/source"
)

// fluxSources is the group of the objects that HelmReleases refer to.
const fluxSources = "source.toolkit.fluxcd.io"

// siblings are the objects of the given documents, as if they were in a cluster.
type siblings []source.Object

// Read implements source.Reader.
func (s siblings) Read(_ context.Context, id source.ID) ([]source.Object, error) {
	return s.find(id), nil
}

// Releases implements source.Reader.
func (s siblings) Releases(_ context.Context, from source.ID) ([]source.Object, error) {
	return source.ReleasesOf(s, from), nil
}

func (s siblings) find(id source.ID) []source.Object {
	var found []source.Object
	for _, object := range s {
		if object.Group == id.Group && object.Kind == id.Kind &&
			(id.Namespace == "" || object.Namespace == id.Namespace) &&
			(id.Name == "" || object.Name == id.Name) {
			found = append(found, object)
		}
	}
	return found
}

// toObjects converts documents, and warns of what is done in another way than in a cluster. What is
// given twice with the same content is one object. A patch of an object of a gated kind is not an
// object: it is skipped or, where it changes which chart is deployed, broken.
func (r *reading) toObjects() (siblings, error) {
	var objects siblings
	places := map[source.ID]string{}
	for _, d := range r.documents {
		raw, err := json.Marshal(d.object.Object)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.where, err)
		}
		id := idOf(d.object)
		lacks, changes := patches(id, d.object)
		same := func(o source.Object) bool { return o.ID == id && bytes.Equal(o.JSON, raw) }
		switch {
		case lacks != "" && changes:
			r.reject(d.at, id, problem.Invalid("it names no %s, so it is a patch or incomplete, and changes which chart is deployed", lacks).
				WithNext("verify what Kustomize makes of it: kustomize build DIR | chartgate verify -f - --policy PATH"))
		case lacks != "":
			r.pass(d.where, fmt.Sprintf("the %s names no %s: a patch that changes no chart", id.Kind, lacks))
		case renderedBy(d.object) != "":
			r.warnings = append(r.warnings, fmt.Sprintf("%s: the %s patches kinds that deploy charts, and the objects are examined without that: examine what it makes of them, as in: %s | chartgate verify -f - --policy PATH",
				d.where, id.Kind, renderedBy(d.object)))
		case id.Group == "argoproj.io" && id.Kind == "ApplicationSet":
			r.pass(d.where, fmt.Sprintf("%s is not examined; a cluster examines the Applications that it generates", id))
		case id.Name != "" && slices.ContainsFunc(objects, same):
		default:
			if other, ok := places[id]; ok && id.Name != "" && id.Group == fluxSources {
				r.warnings = append(r.warnings, fmt.Sprintf("%s is given twice, with different content: %s and %s", id, other, d.where))
			}
			places[id] = d.where
			if fields := unusedAccess(id, d.object); len(fields) > 0 {
				r.warnings = append(r.warnings, fmt.Sprintf("%s: %s names %s, which only a cluster uses: for files, chartgate logs in with --registry-config or, without it, "+
					"with the credentials of docker login, and takes CAs from --registry-ca and the proxy from HTTPS_PROXY", d.where, id, strings.Join(fields, ", ")))
			}
			objects = append(objects, source.Object{ID: id, JSON: raw})
			r.places = append(r.places, d.at)
		}
	}
	return objects, nil
}

// renderedBy returns the command that applies the patches of a Kustomization, if these are in the object
// itself and name kinds that deploy charts; "" otherwise. Patches in files of their own are found there.
func renderedBy(object unstructured.Unstructured) string {
	fields, command := object.Object, "kustomize build DIR"
	switch group, kind := object.GroupVersionKind().Group, object.GetKind(); {
	case group == "kustomize.config.k8s.io":
	case group == "kustomize.toolkit.fluxcd.io" && kind == "Kustomization":
		fields, _ = object.Object["spec"].(map[string]any)
		command = "flux build kustomization NAME --path DIR"
	default:
		return ""
	}
	text, err := json.Marshal([]any{fields["patches"], fields["patchesStrategicMerge"], fields["patchesJson6902"]})
	if err != nil || !gatedKinds.mention.Match(text) {
		return ""
	}
	return command
}

// unusedAccess returns the fields of a source that say how to reach its registry by means of a
// cluster.
func unusedAccess(id source.ID, object unstructured.Unstructured) []string {
	if id.Group != fluxSources {
		return nil
	}
	spec, _ := object.Object["spec"].(map[string]any)
	var fields []string
	for _, field := range []string{"secretRef", "certSecretRef", "proxySecretRef", "serviceAccountName"} {
		if spec[field] != nil {
			fields = append(fields, "spec."+field)
		}
	}
	if provider, _ := spec["provider"].(string); provider != "" && provider != "generic" {
		fields = append(fields, "spec.provider")
	}
	return fields
}

// patches returns what an object of a gated kind lacks that its API requires, and whether it has
// fields that decide about the chart.
func patches(id source.ID, object unstructured.Unstructured) (lacks string, changes bool) {
	if !gatedKinds.has(id.Group, id.Kind) {
		return "", false
	}
	spec, ok := object.Object["spec"].(map[string]any)
	if !ok && object.Object["spec"] != nil {
		return "", false // the extractor denies it
	}
	if template, ok := spec["chart"].(map[string]any); ok && id.Kind == "HelmRelease" {
		template, _ := template["spec"].(map[string]any)
		for _, field := range []string{"chart", "sourceRef"} {
			if template[field] == nil {
				return "spec.chart.spec." + field, true
			}
		}
	}
	if id.Kind == "Application" {
		return patchesApplication(spec)
	}
	decide := map[string][]string{
		"HelmRepository": {"url", "type"}, "OCIRepository": {"url", "ref", "layerSelector"}, "HelmChart": {"chart", "version", "sourceRef", "valuesFiles"},
	}[id.Kind]
	if decide == nil || spec[decide[0]] != nil {
		return "", false
	}
	status, _ := object.Object["status"].(map[string]any)
	return "spec." + decide[0], status["artifact"] != nil || slices.ContainsFunc(decide, func(field string) bool { return spec[field] != nil })
}

// patchesApplication looks for a source without a repository, which the CRD of Applications
// requires.
func patchesApplication(spec map[string]any) (lacks string, changes bool) {
	incomplete := func(field string, source any) string {
		if s, ok := source.(map[string]any); ok && s["repoURL"] == nil {
			for _, decides := range []string{"chart", "targetRevision"} {
				if s[decides] != nil {
					return field + ".repoURL"
				}
			}
		}
		return ""
	}
	if lacks := incomplete("spec.source", spec["source"]); lacks != "" {
		return lacks, true
	}
	sources, _ := spec["sources"].([]any)
	for i, source := range sources {
		if lacks := incomplete(fmt.Sprintf("spec.sources[%d]", i), source); lacks != "" {
			return lacks, true
		}
	}
	if hydrator, ok := spec["sourceHydrator"].(map[string]any); ok {
		if lacks := incomplete("spec.sourceHydrator.drySource", hydrator["drySource"]); lacks != "" {
			return lacks, true
		}
	}
	// With repoURL alone it may be a patch as well: an Application has a destination.
	if source, ok := spec["source"].(map[string]any); ok && spec["destination"] == nil && source["repoURL"] != nil && source["targetRevision"] == nil && source["path"] == nil {
		return "spec.destination", true
	}
	return "", false
}
