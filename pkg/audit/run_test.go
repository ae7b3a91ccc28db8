package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/chartgate/chartgate/pkg/inventory"
)

// fleet is what a cluster deploys, as a test changes it, and an API server in memory that serves
// Reports. (test/suites/background has a real one.)
type fleet struct {
	rows     map[string]inventory.Row // by name
	problems []inventory.Problem
	err      error
	api      client.Client
	fail     func(verb string, object client.Object) error
	writes   int
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{rows: map[string]inventory.Row{"a": trusted, "b": trusted}, fail: func(string, client.Object) error { return nil }}
	scheme, gvk := runtime.NewScheme(), schema.GroupVersionKind(flavors[0])
	if err := eventsv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	scheme.AddKnownTypeWithName(gvk, &unstructured.Unstructured{})
	scheme.AddKnownTypeWithName(gvk.GroupVersion().WithKind(gvk.Kind+"List"), &unstructured.UnstructuredList{})
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(gvk, meta.RESTScopeNamespace)
	mapper.Add(eventsv1.SchemeGroupVersion.WithKind("Event"), meta.RESTScopeNamespace)
	f.api = fake.NewClientBuilder().WithScheme(scheme).WithRESTMapper(mapper).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			return f.write("create", o, func() error { return c.Create(ctx, o, opts...) })
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			return f.write("update", o, func() error { return c.Update(ctx, o, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			return f.write("delete", o, func() error { return c.Delete(ctx, o, opts...) })
		},
	}).Build()
	return f
}

func (f *fleet) write(verb string, o client.Object, write func() error) error {
	if err := f.fail(verb, o); err != nil {
		return err
	}
	f.writes++
	return write()
}

// Scan implements Rows.
func (f *fleet) Scan(ctx context.Context, yield Yield) ([]inventory.Problem, error) {
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range f.rows {
			if !yield(name) {
				return
			}
		}
	}) {
		row := f.rows[name]
		row.Object = inventory.Object{Group: "helm.toolkit.fluxcd.io", Version: "v2", Kind: "HelmRelease", Namespace: "apps", Name: name, UID: "uid-" + name}
		if err := yield(ctx, row.Object, []inventory.Row{row}); err != nil {
			return nil, err
		}
	}
	return f.problems, f.err
}

// leader is a new process that becomes the leader.
func (f *fleet) leader(t *testing.T) *Auditor {
	t.Helper()
	metrics, err := NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return New(Options{Rows: f, Client: f.api, Live: f.api, Metrics: metrics, Log: logr.Discard()})
}

// events are the reasons of all Events, sorted.
func (f *fleet) events(t *testing.T) string {
	t.Helper()
	var list eventsv1.EventList
	if err := f.api.List(t.Context(), &list); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, each := range list.Items {
		all = append(all, each.Regarding.Name+" "+each.Reason)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// reports are the results of all reports, sorted.
func (f *fleet) reports(t *testing.T) string {
	t.Helper()
	var list unstructured.UnstructuredList
	list.SetGroupVersionKind(schema.GroupVersionKind(flavors[0]).GroupVersion().WithKind(flavors[0].Kind + "List"))
	if err := f.api.List(t.Context(), &list); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, each := range list.Items {
		var r report
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(each.Object, &r); err != nil {
			t.Fatal(err)
		}
		text := r.Scope.Name
		for _, result := range r.Results {
			text += " " + result.Rule
		}
		all = append(all, text)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func (f *fleet) looks(t *testing.T, a *Auditor, wantError string) {
	t.Helper()
	if err := a.look(t.Context()); fmt.Sprint(err) != errorText(wantError) {
		t.Errorf("error %v, want %q", err, wantError)
	}
}

func errorText(text string) string {
	if text == "" {
		return "<nil>"
	}
	return text
}

func (f *fleet) expect(t *testing.T, reports, events string) {
	t.Helper()
	if diff := cmp.Diff(reports, f.reports(t)); diff != "" {
		t.Errorf("reports: %s", diff)
	}
	if diff := cmp.Diff(events, f.events(t)); diff != "" {
		t.Errorf("Events: %s", diff)
	}
}

var errInjected = errors.New("injected")

// A process that dies between two writes is one whose next write fails: another one looks again.
func TestNoFindingIsLostOrToldTwice(t *testing.T) {
	for _, c := range []struct{ sentence, verb, kind string }{
		{"before the Event", "create", "Event"},
		{"after the Event and before the report", "update", "Report"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			f := newFleet(t)
			f.looks(t, f.leader(t), "")
			f.expect(t, "a Verified, b Verified", "")
			f.rows["b"] = denied
			f.fail = func(verb string, o client.Object) error {
				kind := o.GetObjectKind().GroupVersionKind().Kind
				if _, ok := o.(*eventsv1.Event); ok {
					kind = "Event"
				}
				if verb == c.verb && kind == c.kind {
					return errInjected
				}
				return nil
			}
			if err := f.leader(t).look(t.Context()); !errors.Is(err, errInjected) {
				t.Fatal(err)
			}
			f.fail = func(string, client.Object) error { return nil }
			f.looks(t, f.leader(t), "")
			f.expect(t, "a Verified, b IdentityNotAllowed NoLongerTrusted", "b NoLongerTrusted")
			f.looks(t, f.leader(t), "")
			f.expect(t, "a Verified, b IdentityNotAllowed NoLongerTrusted", "b NoLongerTrusted")
		})
	}
}

func TestNothingIsWrittenWithoutAChange(t *testing.T) {
	f := newFleet(t)
	f.rows["b"] = moved
	f.looks(t, f.leader(t), "")
	before := f.writes
	f.looks(t, f.leader(t), "")
	if before != 3 || f.writes != before {
		t.Errorf("%d writes, then %d", before, f.writes-before)
	}
}

// An object of the same name that was created since is another object.
func TestAReportTellsNothingAboutAnotherObject(t *testing.T) {
	f := newFleet(t)
	object := inventory.Object{Group: "helm.toolkit.fluxcd.io", Version: "v2", Kind: "HelmRelease", Namespace: "apps", Name: "b", UID: "uid of one that is gone"}
	memory := &reports{flavor: flavors[0], reader: f.api, writer: f.api}
	if err := memory.keep(t.Context(), object, []judged{judge(trusted, nil)}, mark{}, recollection{}); err != nil {
		t.Fatal(err)
	}
	f.rows["b"] = denied
	f.looks(t, f.leader(t), "")
	f.expect(t, "a Verified, b IdentityNotAllowed", "")
}

// What chartgate does not see is not gone, as long as it cannot see everything.
func TestReportsOfWhatIsGone(t *testing.T) {
	for _, c := range []struct {
		sentence string
		change   func(*fleet)
		err      string
		want     string
	}{
		{"an object that is gone", func(*fleet) {}, "", "a Verified"},
		{"a kind that cannot be listed", func(f *fleet) { f.problems = []inventory.Problem{{What: "HelmReleases", Why: "forbidden"}} }, "HelmReleases cannot be verified: forbidden", "a Verified, b Verified"},
		{"a run that ends early", func(f *fleet) { f.err = errInjected }, "injected", "a Verified, b Verified"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			f := newFleet(t)
			f.looks(t, f.leader(t), "")
			delete(f.rows, "b")
			c.change(f)
			f.looks(t, f.leader(t), c.err)
			f.expect(t, c.want, "")
		})
	}
}

// The report of an object with very many charts is bounded.
func TestManyCharts(t *testing.T) {
	var rows []judged
	for i := range maxRows + 3 {
		rows = append(rows, judge(with(trusted, func(r *inventory.Row) { r.Field = fmt.Sprint(i) }), nil))
	}
	r := newReport(flavors[0], inventory.Object{Kind: "Application", Name: strings.Repeat("x", 253)}, rows, mark{})
	if last := r.Results[len(r.Results)-1]; len(r.Results) != maxRows+1 || last.Message != "it names 3 more charts; a report holds 64" || r.Summary.Pass != maxRows || r.Summary.Skip != 1 {
		t.Errorf("%d results, %+v, the last one %+v", len(r.Results), r.Summary, last)
	}
	if len(r.Name) > 253 || r.Name == newReport(flavors[0], inventory.Object{Kind: "Application", Name: strings.Repeat("x", 252)}, nil, mark{}).Name {
		t.Errorf("the name %s", r.Name)
	}
}

// TestAForgedReportHidesNothing: whoever can write reports in a namespace of their own lets one say
// that an object of another namespace has been looked at already.
func TestAForgedReportHidesNothing(t *testing.T) {
	f := newFleet(t)
	if err := f.leader(t).look(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.rows["a"] = denied
	victim := inventory.Object{Group: "helm.toolkit.fluxcd.io", Version: "v2", Kind: "HelmRelease", Namespace: "apps", Name: "a", UID: "uid-a"}
	row := denied
	row.Object = victim
	identity, err := identify(victim, []inventory.Row{row})
	if err != nil {
		t.Fatal(err)
	}
	victim.Namespace = "zz" // listed after the true one
	forged, err := encode(newReport(flavors[0], victim, nil, mark{rows: identity}))
	if err == nil {
		err = f.api.Create(t.Context(), forged)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := f.leader(t).look(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := f.events(t); got != "a NoLongerTrusted" {
		t.Errorf("Events: %s", got)
	}
}
