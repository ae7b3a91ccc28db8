package attacks_test

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/harness"
)

// TestMatchConditions: on a real API server, the webhook configuration's conditions select every
// write that pkg/source calls a change, and do not select pure patches of status, labels, values,
// intervals and timeouts.
func TestMatchConditions(t *testing.T) {
	w := openListener(t, nil)
	const pairs = 14 // of each kind of change
	random := rand.New(rand.NewPCG(2026, 11))
	extractor := source.NewExtractor(nil, source.Options{
		ArgoUsers: []string{argoController}, ReleaseWriters: []string{helmController}, DenyRepackaged: true,
	})
	changed, kept, refused := 0, 0, 0
	for _, c := range changes() {
		for i := range pairs {
			name := fmt.Sprintf("%s-%d", c.name, i)
			before := w.write(t, c, c.first(random, name))
			after := w.write(t, c, c.next(random, before.DeepCopy()))
			if after == nil {
				refused++
				continue
			}
			asked := w.asked(name, c.subresource, admissionv1.Update)
			news := isNews(t, extractor, c, before, after)
			switch {
			case news && !asked:
				t.Errorf("%s: the API server kept a change to itself\nbefore %s\nafter  %s", name, jsonOf(t, before), jsonOf(t, after))
			case c.idle && asked:
				t.Errorf("%s: a patch that changes nothing was sent\nbefore %s\nafter  %s", name, jsonOf(t, before), jsonOf(t, after))
			case news:
				changed++
			case !asked:
				kept++
			}
			if isNews(t, extractor, change{user: c.user, manager: c.manager}, nil, before) && !w.asked(name, "", admissionv1.Create) {
				t.Errorf("%s: the API server kept a creation to itself", name)
			}
		}
	}
	w.checkLarge(t)
	total := len(changes()) * pairs
	t.Logf("%d pairs: %d changes, all sent; %d kept in the API server; %d not allowed by the definitions", total, changed, kept, refused)
	if changed < 100 || kept < 100 || refused > total/10 {
		t.Error("these are too few to prove anything")
	}
}

// TestMatchConditionsWhereGitIsDenied: the same for Applications from Git, where the admin denies
// those that no policy waives by name. Then a path is part of what is deployed.
func TestMatchConditionsWhereGitIsDenied(t *testing.T) {
	w := openListener(t, map[string]any{"argoGitSources": "Deny"})
	random := rand.New(rand.NewPCG(2026, 12))
	extractor := source.NewExtractor(nil, source.Options{ArgoUsers: []string{argoController}, DenyArgoGit: true})
	changed := map[string]int{}
	for _, c := range deniedGitChanges() {
		for i := range 12 {
			name := fmt.Sprintf("%s-%d", c.name, i)
			before := w.write(t, c, c.first(random, name))
			after := w.write(t, c, c.next(random, before.DeepCopy()))
			if after == nil || !isNews(t, extractor, c, before, after) {
				continue
			}
			changed[c.name]++
			if !w.asked(name, "", admissionv1.Update) {
				t.Errorf("%s: the API server kept a change to itself\nbefore %s\nafter  %s", name, jsonOf(t, before), jsonOf(t, after))
			}
		}
		if changed[c.name] < 3 {
			t.Errorf("%s: %d changes are too few to prove anything", c.name, changed[c.name])
		}
	}
}

// checkLarge: comparing objects of the largest size that etcd takes stays within the cost that the
// API server allows an expression. Otherwise it would deny every write of them.
func (w *listener) checkLarge(t *testing.T) {
	t.Helper()
	values := fields{}
	for i := range 12_000 {
		values[fmt.Sprintf("key-%d", i)] = fields{"list": []any{"a", "b", fmt.Sprint(i)}, "text": "some text of a usual length"}
	}
	reference := fields{"kind": "HelmChart", "name": "a"}
	source := fields{"repoURL": "ghcr.io/a", "chart": "a", "targetRevision": "1.0.0", "helm": fields{"valuesObject": values}}
	for _, l := range []struct {
		of           change
		spec, names  fields
		field, other string
	}{
		{change{name: "large-release", apiVersion: "helm.toolkit.fluxcd.io/v2", kind: "HelmRelease"},
			fields{"interval": "1m", "chartRef": reference, "values": values}, reference, "name", "b"},
		{change{name: "large-app", apiVersion: "argoproj.io/v1alpha1", kind: "Application"},
			fields{"project": "default", "destination": fields{}, "source": source}, source, "targetRevision", "2.0.0"},
	} {
		object := newObject(l.of.apiVersion, l.of.kind, l.of.name)
		update := func() {
			object.Object["spec"] = l.spec
			object = w.write(t, l.of, object)
		}
		update()
		values["one"] = "more"
		update()
		if w.asked(l.of.name, "", admissionv1.Update) {
			t.Errorf("%s: a change of values was sent", l.of.name)
		}
		l.names[l.field] = l.other
		update()
		if !w.asked(l.of.name, "", admissionv1.Update) {
			t.Errorf("%s: another chart was not sent", l.of.name)
		}
		delete(values, "one")
	}
}

// isNews reports what pkg/source says of a write.
func isNews(t *testing.T, extractor *source.Extractor, c change, before, after *unstructured.Unstructured) bool {
	t.Helper()
	id := source.ID{Group: after.GroupVersionKind().Group, Kind: after.GetKind(), Namespace: after.GetNamespace(), Name: after.GetName()}
	write := source.Write{Object: source.Object{ID: id, JSON: jsonOf(t, after)}, Subresource: c.subresource, User: c.user, FieldManager: c.manager}
	if before != nil {
		write.Old = jsonOf(t, before)
	}
	found, err := extractor.Changes(write)
	if err != nil {
		t.Fatal(err)
	}
	return !found.Empty()
}

func jsonOf(t *testing.T, o *unstructured.Unstructured) []byte {
	t.Helper()
	o = o.DeepCopy()
	o.SetManagedFields(nil)
	return must(o.MarshalJSON())(t)
}

// listener is a cluster with a webhook that admits everything and records the reviews.
type listener struct {
	*harness.Site
	clients map[string]client.Client // by user
	mu      sync.Mutex
	seen    map[string]bool
}

// as is a client that writes as a user with all rights.
func (w *listener) as(t *testing.T, user string) client.Client {
	t.Helper()
	if user == admin {
		return w.Client
	}
	if w.clients[user] == nil {
		config := rest.CopyConfig(w.Config)
		config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: []string{"system:masters"}}
		w.clients[user] = must(client.New(config, client.Options{}))(t)
	}
	return w.clients[user]
}

func openListener(t *testing.T, values map[string]any) *listener {
	t.Helper()
	w := &listener{seen: map[string]bool{}, clients: map[string]client.Client{}}
	w.Site = harness.OpenForTest(t, harness.Setup{
		Options: cluster.Options{CRDs: []string{"crds/flux", "crds/argo"}, Namespaces: []string{"apps"}}, Stopped: true, Values: values,
		Prepare: addLaterFields,
	})
	ctx := t.Context()
	server := httptest.NewTLSServer(http.HandlerFunc(w.admit))
	t.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	err := w.Client.Get(ctx, client.ObjectKey{Name: "chartgate"}, configuration)
	for i := range configuration.Webhooks {
		configuration.Webhooks[i].ClientConfig = admissionregistrationv1.WebhookClientConfig{URL: &server.URL, CABundle: ca}
	}
	if err := errors.Join(err, w.Client.Update(ctx, configuration)); err != nil {
		t.Fatal(err)
	}
	w.waitForConditions(t)
	return w
}

// waitForConditions waits until the API server calls its webhooks.
func (w *listener) waitForConditions(t *testing.T) {
	t.Helper()
	for i := 0; !w.asked(fmt.Sprintf("probe-%d", i-1), "", admissionv1.Create); i++ {
		if i == 500 {
			t.Fatal("the API server does not call the webhook")
		}
		probe := newObject("source.toolkit.fluxcd.io/v1", "HelmChart", fmt.Sprintf("probe-%d", i))
		_ = w.Client.Create(t.Context(), probe) // fails as long as the old address is asked
	}
}

func (w *listener) admit(rw http.ResponseWriter, req *http.Request) {
	var review admissionv1.AdmissionReview
	if err := json.NewDecoder(req.Body).Decode(&review); err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	w.mu.Lock()
	w.seen[key(review.Request.Name, review.Request.SubResource, review.Request.Operation)] = true
	w.mu.Unlock()
	review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true}
	rw.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(rw).Encode(review)
}

func key(name, subresource string, operation admissionv1.Operation) string {
	return name + "/" + subresource + " " + string(operation)
}

func (w *listener) asked(name, subresource string, operation admissionv1.Operation) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[key(name, subresource, operation)]
}

// forget discards the reviews so far.
func (w *listener) forget(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.seen, key(name, "status", admissionv1.Update))
}

// write creates or updates an object and returns what is stored. A separate status is written too,
// and the reviews of that write are discarded. Nil is an object that the API server refuses.
func (w *listener) write(t *testing.T, c change, object *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	status, found := object.Object["status"]
	as := w.as(t, c.user)
	if c.manager != "" {
		as = client.WithFieldOwner(as, c.manager)
	}
	var err error
	switch {
	case object.GetResourceVersion() == "":
		err = as.Create(t.Context(), object)
		if err == nil && found && c.kind != "Application" { // which has no subresource
			object.Object["status"] = status
			err = as.Status().Update(t.Context(), object)
			w.forget(object.GetName())
		}
	case c.subresource == "status":
		err = as.Status().Update(t.Context(), object)
	default:
		err = as.Update(t.Context(), object)
	}
	if c.nulls && apierrors.IsInvalid(err) {
		return nil
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", object.GetName(), err, must(object.MarshalJSON())(t))
	}
	return object
}
