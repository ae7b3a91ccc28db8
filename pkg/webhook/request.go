package webhook

import (
	"cmp"
	"encoding/json"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	kjson "sigs.k8s.io/json"

	"github.com/chartgate/chartgate/pkg/fair"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/source"
)

// writeOf returns the write that a request is about.
func writeOf(req admission.Request) (source.Write, error) {
	w := source.Write{
		Object:      source.Object{ID: idOf(req), JSON: req.Object.Raw},
		Subresource: req.SubResource,
		User:        req.UserInfo.Username,
	}
	var options struct {
		FieldManager string `json:"fieldManager"`
	}
	if len(req.Options.Raw) > 0 {
		if err := kjson.UnmarshalCaseSensitivePreserveInts(req.Options.Raw, &options); err != nil {
			return w, &problem.Error{Kind: problem.KindUnsupported, Detail: "the options of the request cannot be read", Err: err}
		}
	}
	w.FieldManager = options.FieldManager
	switch {
	case len(req.Object.Raw) == 0:
		return w, &problem.Error{Kind: problem.KindUnsupported, Detail: "the request holds no object"}
	case req.Operation == admissionv1.Create:
		return w, nil
	case req.Operation == admissionv1.Update && len(req.OldObject.Raw) > 0:
		w.Old = req.OldObject.Raw
		return w, nil
	default:
		return w, &problem.Error{Kind: problem.KindUnsupported, Detail: "the operation " + problem.QuoteInput(string(req.Operation)) + " is not supported"}
	}
}

// idOf returns which object a request is about.
func idOf(req admission.Request) source.ID {
	return source.ID{Group: req.Kind.Group, Kind: req.Kind.Kind, Namespace: req.Namespace, Name: nameOf(req)}
}

// nameOf returns the name of the object, or the prefix from which the API server will make one.
func nameOf(req admission.Request) string {
	if req.Name != "" {
		return req.Name
	}
	var object struct {
		Metadata struct {
			Name         string `json:"name"`
			GenerateName string `json:"generateName"`
		} `json:"metadata"`
	}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(req.Object.Raw, &object); err != nil {
		return ""
	}
	if object.Metadata.Name == "" && object.Metadata.GenerateName != "" {
		return object.Metadata.GenerateName + "*"
	}
	return object.Metadata.Name
}

// release frees the memory of the objects, which is not needed while registries are asked, and
// returns the write with what is still needed of them: which object it is, and the spec of a
// HelmRepository, on which other objects may depend.
func (r *review) release(w source.Write) source.Write {
	var kept struct {
		APIVersion string `json:"apiVersion"`
		Metadata   struct {
			UID string `json:"uid,omitempty"`
		} `json:"metadata"`
		Spec json.RawMessage `json:"spec,omitempty"`
	}
	// If the object cannot be decoded, nothing of it is kept.
	_ = kjson.UnmarshalCaseSensitivePreserveInts(w.JSON, &kept)
	kept.APIVersion = cmp.Or(kept.APIVersion, schema.GroupVersion{Group: r.Kind.Group, Version: r.Kind.Version}.String())
	if w.Kind != sourcev1.HelmRepositoryKind || len(kept.Spec) > maxKept {
		kept.Spec = nil
	}
	w.JSON, _ = json.Marshal(kept)
	if w.Old != nil {
		w.Old = []byte("{}")
	}
	r.Name = w.Name
	r.free()
	return w
}

// maxKept bounds the spec of a HelmRepository that is kept while registries are asked.
const maxKept = 64 << 10

// shareOf returns the share that a write takes: that of its namespace, and in it that of its user,
// who may write to many namespaces.
func shareOf(req admission.Request) fair.Share {
	return fair.Share{Tenants: fair.Tenant(req.Namespace), Resource: req.UserInfo.Username}
}

// askerOf tells the gate for which write it decides.
func askerOf(req admission.Request) gate.Asker {
	return gate.Asker{Namespace: req.Namespace, DryRun: isDryRun(req)}
}

func isDryRun(req admission.Request) bool { return req.DryRun != nil && *req.DryRun }
