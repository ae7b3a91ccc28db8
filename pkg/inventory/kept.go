package inventory

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	argo "github.com/argoproj/argo-cd/v2/pkg/apis/application"
	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kubejson "sigs.k8s.io/json"

	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/source"
)

// kind is a kind of objects that take charts from somewhere, with the fields that an inventory
// keeps. Everything else, values and manifests above all, is let go while a list is read.
//
// spec.suspend is not kept: what is suspended runs on. So it is examined as if it were resumed. The
// operation of an Application is not kept either: it is over in seconds.
type kind struct {
	schema.GroupKind
	spec, status []string
}

// kinds are all kinds of an inventory, in the order in which they are listed.
func kinds() []kind {
	flux, helm := sourcev1.GroupVersion.Group, helmv2.GroupVersion.Group
	return []kind{
		{
			schema.GroupKind{Group: flux, Kind: sourcev1.HelmRepositoryKind},
			[]string{"url", "type", "insecure", "provider", "secretRef", "certSecretRef"}, nil,
		},
		{
			schema.GroupKind{Group: flux, Kind: sourcev1.OCIRepositoryKind},
			[]string{"url", "ref", "layerSelector", "insecure", "provider", "secretRef", "certSecretRef", "proxySecretRef", "serviceAccountName"},
			[]string{"artifact"},
		},
		{
			schema.GroupKind{Group: flux, Kind: sourcev1.HelmChartKind},
			[]string{"chart", "version", "sourceRef", "valuesFile", "valuesFiles"}, []string{"artifact"},
		},
		{
			schema.GroupKind{Group: helm, Kind: helmv2.HelmReleaseKind},
			[]string{"chart", "chartRef", "releaseName", "targetNamespace", "storageNamespace"},
			[]string{"helmChart", "history", "lastAppliedRevision", "storageNamespace"},
		},
		{
			schema.GroupKind{Group: argo.Group, Kind: argo.ApplicationKind},
			[]string{"project", "source", "sources", "sourceHydrator"}, []string{"sync"},
		},
	}
}

// keptInside are the fields that are kept of values that may be large.
func keptInside(field string) []string {
	switch field {
	case "artifact":
		return []string{"url", "revision", "digest"}
	case "sync":
		return []string{"revision", "revisions"}
	case "source", "sources":
		return []string{"repoURL", "chart", "targetRevision", "path", "ref"}
	default:
		return nil
	}
}

// maxKept bounds what is kept of an object: an honest one has less than 2 KiB of names.
const maxKept = 32 << 10

// maxHistory is how many of the deployments of a HelmRelease are kept. The newest is the first;
// where it failed, an older one runs.
const maxHistory = 5

// keep returns the object with the kept fields only. With an error, which an object gets of which too much would have to
// be kept, nothing but its name, API version and UID are in it.
func (k kind) keep(raw []byte) (source.Object, error) {
	var whole struct {
		APIVersion string `json:"apiVersion"`
		Metadata   struct {
			Name       string `json:"name"`
			Namespace  string `json:"namespace,omitempty"`
			UID        string `json:"uid,omitempty"`
			Generation int64  `json:"generation,omitempty"`
		} `json:"metadata"`
		Spec   json.RawMessage `json:"spec"`
		Status json.RawMessage `json:"status"`
	}
	err := kubejson.UnmarshalCaseSensitivePreserveInts(raw, &whole)
	id := source.ID{Group: k.Group, Kind: k.Kind, Namespace: whole.Metadata.Namespace, Name: whole.Metadata.Name}
	name, unnamed := json.Marshal(map[string]any{"apiVersion": whole.APIVersion, "kind": k.Kind, "metadata": whole.Metadata})
	if err = cmp.Or(err, unnamed); err != nil {
		return source.Object{ID: id, JSON: name}, &problem.Error{Kind: problem.KindInvalid, Detail: id.String() + " cannot be read", Err: err}
	}
	kept, err := json.Marshal(map[string]any{
		"apiVersion": whole.APIVersion, "kind": k.Kind, "metadata": whole.Metadata,
		"spec": only(whole.Spec, k.spec), "status": only(whole.Status, k.status),
	})
	if err != nil || len(kept) > maxKept {
		return source.Object{ID: id, JSON: name}, &problem.Error{
			Kind: problem.KindLimitExceeded, Detail: "what " + id.String() + " says of its charts has more than 32 KiB", Err: err,
			Next: "shorten it: names, versions and filters of charts have some hundred bytes",
		}
	}
	return source.Object{ID: id, JSON: kept}, nil
}

// only returns an object with the fields of these names. What is not an object stays as it is, so
// that it is refused as the API server's object would be.
func only(raw json.RawMessage, names []string) any {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil || fields == nil {
		return raw
	}
	kept := map[string]any{}
	for _, name := range names {
		if value, ok := fields[name]; ok {
			kept[name] = inside(name, value)
		}
	}
	return kept
}

// inside keeps less of the values that may be large.
func inside(name string, value json.RawMessage) any {
	var list []json.RawMessage
	switch {
	case name == "history" && json.Unmarshal(value, &list) == nil:
		return history(list)
	case name == "sourceHydrator":
		var hydrator map[string]json.RawMessage
		if json.Unmarshal(value, &hydrator) != nil || hydrator == nil {
			return value
		}
		return map[string]any{"drySource": only(hydrator["drySource"], keptInside("source")), "syncSource": hydrator["syncSource"]}
	case name == "sources" && json.Unmarshal(value, &list) == nil:
		kept := make([]any, 0, len(list))
		for _, item := range list {
			kept = append(kept, only(item, keptInside(name)))
		}
		return kept
	case keptInside(name) != nil:
		return only(value, keptInside(name))
	default:
		return value
	}
}

func history(list []json.RawMessage) []any {
	kept := []any{}
	for _, item := range list[:min(len(list), maxHistory)] {
		kept = append(kept, only(item, []string{"name", "version", "chartVersion", "status", "ociDigest"}))
	}
	return kept
}

// kindOf returns the kind of an object; ok is false for one that is not in an inventory.
func kindOf(id source.ID) (found kind, ok bool) {
	all := kinds()
	i := slices.IndexFunc(all, func(k kind) bool { return k.Group == id.Group && k.Kind == id.Kind })
	if i < 0 {
		return kind{}, false
	}
	return all[i], true
}

// Keep returns an object of a file with what an inventory needs of it; ok is false for one that is
// not in an inventory. What cannot be read is kept whole, and refused when it is examined.
func Keep(object source.Object) (kept source.Object, ok bool) {
	k, ok := kindOf(object.ID)
	if !ok {
		return source.Object{}, false
	}
	kept, err := k.keep(object.JSON)
	if err != nil {
		return object, true
	}
	kept.ID = object.ID // with the namespace that it has where it names none
	return kept, true
}

// identity returns the version of an object's API and its UID.
func identity(raw []byte) (version, uid string) {
	var o struct {
		APIVersion string `json:"apiVersion"`
		Metadata   struct {
			UID string `json:"uid"`
		} `json:"metadata"`
	}
	if json.Unmarshal(raw, &o) != nil {
		return "", ""
	}
	_, version, _ = strings.Cut(o.APIVersion, "/")
	return version, o.Metadata.UID
}
