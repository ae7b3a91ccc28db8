package audit

import (
	"context"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/pkg/inventory"
)

// reports is the memory in reports: they survive restarts and a change of leader.
type reports struct {
	flavor flavor
	reader client.Reader // live
	writer client.Client
}

// served returns the flavor that the cluster serves.
func served(mapper meta.RESTMapper) (flavor, bool, error) {
	for _, each := range flavors {
		_, err := mapper.RESTMapping(schema.GroupKind{Group: each.Group, Kind: each.Kind}, each.Version)
		switch {
		case err == nil:
			return each, true, nil
		case !meta.IsNoMatchError(err):
			return flavor{}, false, fmt.Errorf("find out which reports the cluster serves: %w", err)
		}
	}
	return flavor{}, false, nil
}

// stored is a report in the API server.
type stored struct {
	report
	object *unstructured.Unstructured
}

// reportsPage bounds what a list request holds in memory. Only metadata are listed.
const reportsPage = 500

func (r *reports) known(ctx context.Context) (map[types.UID]remembered, error) {
	all := map[types.UID]remembered{}
	for next := ""; ; {
		var page metav1.PartialObjectMetadataList
		page.SetGroupVersionKind(schema.GroupVersionKind{Group: r.flavor.Group, Version: r.flavor.Version, Kind: r.flavor.Kind + "List"})
		err := r.reader.List(ctx, &page, client.MatchingLabels{managedByLabel: reporter}, client.Limit(reportsPage), client.Continue(next))
		if err != nil {
			return nil, fmt.Errorf("list the reports: %w", err)
		}
		for _, each := range page.Items {
			if len(each.OwnerReferences) == 1 { // others are not chartgate's
				uid := each.OwnerReferences[0].UID
				all[uid] = remembered{
					mark: parseMark(each.Annotations[markAnnotation]), uid: uid,
					namespace: each.Namespace, name: each.Name, version: each.ResourceVersion,
				}
			}
		}
		if next = page.Continue; next == "" {
			return all, nil
		}
	}
}

// recall reads the report. A report of an object of the same name that no longer exists tells
// nothing about this one.
func (r *reports) recall(ctx context.Context, of inventory.Object) (recollection, error) {
	object := r.empty()
	name := client.ObjectKey{Namespace: of.Namespace, Name: reportName(of)}
	if err := r.reader.Get(ctx, name, object); err != nil {
		return recollection{}, client.IgnoreNotFound(err)
	}
	found := &stored{object: object}
	// What cannot be decoded is not chartgate's, and is replaced.
	err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &found.report)
	found.ObjectMeta = metav1.ObjectMeta{
		Labels: object.GetLabels(), Annotations: object.GetAnnotations(), OwnerReferences: object.GetOwnerReferences(),
	}
	recalled := recollection{report: found, version: object.GetResourceVersion()}
	owners := found.OwnerReferences
	if err == nil && len(owners) == 1 && owners[0].UID == types.UID(of.UID) {
		recalled.rows = found.pasts()
	}
	return recalled, nil
}

func (r *reports) empty() *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(schema.GroupVersionKind(r.flavor))
	return object
}

// keep writes the report if it says something else than the stored one. Of two leaders that write
// at the same time, one gets a conflict.
func (r *reports) keep(ctx context.Context, of inventory.Object, rows []judged, m mark, instead recollection) error {
	wanted := newReport(r.flavor, of, rows, m)
	before := instead.report
	if before == nil {
		object, err := encode(wanted)
		if err != nil {
			return err
		}
		return ignoreEnding(r.writer.Create(ctx, object))
	}
	wanted.Labels = merged(before.Labels, wanted.Labels)
	wanted.Annotations = merged(before.Annotations, wanted.Annotations)
	if same(before.report, wanted) {
		return nil
	}
	object, err := encode(wanted)
	if err != nil {
		return err
	}
	object.SetResourceVersion(before.object.GetResourceVersion())
	return ignoreEnding(r.writer.Update(ctx, object))
}

func encode(r report) (*unstructured.Unstructured, error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&r)
	return &unstructured.Unstructured{Object: fields}, err
}

// merged leaves labels and annotations of others as they are.
func merged(theirs, ours map[string]string) map[string]string {
	all := maps.Clone(theirs)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, ours)
	return all
}

func same(a, b report) bool {
	return equality.Semantic.DeepEqual(a.Labels, b.Labels) && equality.Semantic.DeepEqual(a.Annotations, b.Annotations) &&
		equality.Semantic.DeepEqual(a.OwnerReferences, b.OwnerReferences) && equality.Semantic.DeepEqual(a.Scope, b.Scope) &&
		a.Summary == b.Summary && equality.Semantic.DeepEqual(a.Results, b.Results)
}

// ignoreEnding: in a namespace that is being deleted nothing can be created any more.
func ignoreEnding(err error) error {
	if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return nil
	}
	return err
}

// forget deletes the report of an object that is gone, or that names no chart any more. A report that
// has been written since is about another object of the same name.
func (r *reports) forget(ctx context.Context, which remembered) error {
	object := r.empty()
	object.SetNamespace(which.namespace)
	object.SetName(which.name)
	err := r.writer.Delete(ctx, object, client.Preconditions{ResourceVersion: &which.version})
	if apierrors.IsConflict(err) {
		return nil
	}
	return client.IgnoreNotFound(err)
}
