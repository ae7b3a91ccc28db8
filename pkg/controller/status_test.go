package controller_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/controller"
)

// patches counts writes of status, and makes those of the named objects fail.
type patches struct {
	of   []string
	fail map[string]error
}

func (p *patches) funcs() interceptor.Funcs {
	return interceptor.Funcs{SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
		p.of = append(p.of, o.GetName()+"/"+sub)
		if err := p.fail[o.GetName()]; err != nil {
			return err
		}
		return c.SubResource(sub).Patch(ctx, o, patch, opts...)
	}}
}

// ready is what a test compares of a Ready condition.
type ready struct {
	Status             metav1.ConditionStatus
	Reason             string
	ObservedGeneration int64
	Message            string
}

func readyOf(t *testing.T, c client.Client, o client.Object) ready {
	t.Helper()
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
		t.Fatal(err)
	}
	var conditions []metav1.Condition
	switch o := o.(type) {
	case *v1alpha1.TrustedIdentity:
		conditions = o.Status.Conditions
	case *v1alpha1.ChartPolicy:
		conditions = o.Status.Conditions
	}
	if len(conditions) != 1 || conditions[0].Type != "Ready" || conditions[0].LastTransitionTime.IsZero() {
		t.Fatalf("%s has the conditions %+v", o.GetName(), conditions)
	}
	message, _, _ := strings.Cut(conditions[0].Message, "\n")
	return ready{conditions[0].Status, conditions[0].Reason, conditions[0].ObservedGeneration, message}
}

func reconcile(t *testing.T, c client.Client) error {
	t.Helper()
	_, err := controller.NewStatus(c, snapshotOf(c)).Reconcile(t.Context(), ctrl.Request{})
	return err
}

func TestStatus(t *testing.T) {
	var p patches
	c := clusterWith(t, p.funcs(), identity("release", "s"), brokenIdentity("nobody"), chartPolicy("acme", "release"), chartPolicy("broken", "absent"), chartPolicy("worse", "nobody"))
	if err := reconcile(t, c); err != nil {
		t.Fatal(err)
	}
	want := []ready{
		{"True", "Compiled", 3, "the identity can be used"},
		{"False", "Invalid", 3, "spec: exactly one of keyless and key must be set"},
		{"True", "Compiled", 7, "the policy is in force"},
		{"False", "Invalid", 7, `spec.require[0].anyOf[0]: TrustedIdentity "absent" does not exist`},
		{"False", "Invalid", 7, `spec.require[0].anyOf[0]: TrustedIdentity "nobody" is invalid: spec: exactly one of keyless and key must be set`},
	}
	got := []ready{
		readyOf(t, c, identity("release", "")), readyOf(t, c, brokenIdentity("nobody")),
		readyOf(t, c, chartPolicy("acme")), readyOf(t, c, chartPolicy("broken")), readyOf(t, c, chartPolicy("worse")),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"nobody/status", "release/status", "acme/status", "broken/status", "worse/status"}, p.of); diff != "" {
		t.Error(diff)
	}
}

// A status that is written again without a change wakes everybody who watches.
func TestStatusIsWrittenOnChangeOnly(t *testing.T) {
	var p patches
	c := clusterWith(t, p.funcs(), chartPolicy("acme", "release"), identity("other", "s"))
	for range 3 {
		if err := reconcile(t, c); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"other/status", "acme/status"}, p.of); diff != "" {
		t.Errorf("the same status was written again: %s", diff)
	}
	first := transition(t, c)
	if err := c.Create(t.Context(), identity("release", "s")); err != nil {
		t.Fatal(err)
	}
	p.of = nil
	if err := reconcile(t, c); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"release/status", "acme/status"}, p.of); diff != "" {
		t.Error(diff)
	}
	if got := readyOf(t, c, chartPolicy("acme")); got.Status != "True" {
		t.Errorf("%+v, first %s", got, first)
	}
}

func transition(t *testing.T, c client.Client) metav1.Time {
	t.Helper()
	o := chartPolicy("acme")
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
		t.Fatal(err)
	}
	return o.Status.Conditions[0].LastTransitionTime
}

// A new generation is observed, also if it says the same about readiness.
func TestStatusObservesGenerations(t *testing.T) {
	c := clusterWith(t, interceptor.Funcs{}, identity("release", "s"))
	if err := reconcile(t, c); err != nil {
		t.Fatal(err)
	}
	o := identity("release", "")
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
		t.Fatal(err)
	}
	o.Generation++
	if err := c.Update(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if err := reconcile(t, c); err != nil {
		t.Fatal(err)
	}
	if got := readyOf(t, c, identity("release", "")); got.ObservedGeneration != 4 {
		t.Errorf("%+v", got)
	}
}

func TestStatusErrors(t *testing.T) {
	gone := apierrors.NewNotFound(schema.GroupResource{Resource: "trustedidentities"}, "a")
	for _, c := range []struct {
		sentence string
		fail     map[string]error
		isError  bool
		want     []string // all are tried
	}{
		{"an object that is gone is no error", map[string]error{"a": gone}, false, []string{"a/status", "b/status", "acme/status"}},
		{"one failure does not stop the others", map[string]error{"a": errInjected}, true, []string{"a/status", "b/status", "acme/status"}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			p := patches{fail: c.fail}
			err := reconcile(t, clusterWith(t, p.funcs(), identity("a", "s"), identity("b", "s"), chartPolicy("acme", "a")))
			if (err != nil) != c.isError || c.isError && !errors.Is(err, errInjected) {
				t.Error(err)
			}
			if diff := cmp.Diff(c.want, p.of); diff != "" {
				t.Error(diff)
			}
		})
	}
	broken := interceptor.Funcs{List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
		return errInjected
	}}
	if err := reconcile(t, clusterWith(t, broken)); !errors.Is(err, errInjected) {
		t.Errorf("reading fails: %v", err)
	}
}
