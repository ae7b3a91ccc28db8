package background_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/test/harness"
)

// reportsOn waits for the results of the Report on an object of namespace apps: "helmrelease-web".
func (s *site) reportsOn(t *testing.T, object, want string) *unstructured.Unstructured {
	t.Helper()
	found := &unstructured.Unstructured{}
	found.SetAPIVersion(v1alpha1)
	found.SetKind("Report")
	harness.Eventually(t, func() string {
		err := s.Client.Get(t.Context(), client.ObjectKey{Namespace: "apps", Name: "chartgate-" + object}, found)
		switch got := results(found); {
		case apierrors.IsNotFound(err):
			return "no report on " + object + "\n" + s.log()
		case err != nil:
			return err.Error()
		case got != want:
			return fmt.Sprintf("the report on %s says %q, not %q\n%s", object, got, want, s.log())
		}
		return ""
	})
	return found
}

// policiesIn are the policies that the results of a report name.
func policiesIn(report *unstructured.Unstructured) (all []string) {
	found, _, _ := unstructured.NestedSlice(report.Object, "results")
	for _, each := range found {
		result, _ := each.(map[string]any)
		all = append(all, fmt.Sprint(result["policy"]))
	}
	return all
}

// TestReportsOnReleasesAndApplications: every kind that deploys a chart has reports, which name the
// policies.
func TestReportsOnReleasesAndApplications(t *testing.T) {
	s := with(t, []string{openReports}, trusting(), never)
	s.publish(t, "web", "one", release)
	application := harness.Application("web", harness.ApplicationSpec("source: {repoURL: 'ghcr.io/acme', chart: web, targetRevision: 1.0.0}"))
	err := s.ApplyText(t.Context(), harness.Source("HelmRepository", "acme", "spec: {type: oci, url: 'oci://ghcr.io/acme'}")+
		harness.HelmRelease("web", "spec: {interval: 10m, "+harness.FromRepository("acme", "web", "1.0.0")+"}")+application)
	t.Cleanup(func() {
		s.kubectl(t, "", "delete", "applications.argoproj.io,helmreleases.helm.toolkit.fluxcd.io,helmrepositories.source.toolkit.fluxcd.io", "--all", "-n", "apps")
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Restart(t)
	objects := []string{"helmrelease-web", "application-web"}
	for _, object := range objects {
		s.reportsOn(t, object, "pass Verified")
	}
	s.reportsOn(t, "helmrepository-acme", "pass Covered")
	if err := s.ApplyText(context.Background(), harness.Identity("acme-release", keyless("other@acme.example"))); err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		report := s.reportsOn(t, object, "fail IdentityNotAllowed, fail NoLongerTrusted")
		if got := strings.Join(policiesIn(report), ", "); got != "acme, acme" {
			t.Errorf("%s: denied by policy %s", object, got)
		}
	}
	s.metric(t, `chartgate_audit_findings{kind="NoLongerTrusted"} 2`)
}

// TestTrustRootIsDeleted: what only it proved is no longer trusted. A trust root that cannot be
// fetched says nothing of that kind.
func TestTrustRootIsDeleted(t *testing.T) {
	s := with(t, []string{openReports}, "", never)
	root, err := s.sigstore.TrustedRoot()
	if err != nil {
		t.Fatal(err)
	}
	content, err := json.Marshal(string(root))
	if err != nil {
		t.Fatal(err)
	}
	err = s.ApplyText(t.Context(), harness.TrustRoot("corp", "{trustedRoot: "+string(content)+"}")+
		harness.Identity("acme-release", strings.TrimSuffix(keyless(release), "}")+", trustRoot: corp}")+harness.Policy("acme", acme))
	if err != nil {
		t.Fatal(err)
	}
	s.publish(t, "web", "one", release)
	s.deploy(t, "web")
	s.Restart(t)
	s.reports(t, v1alpha1, "web", "pass Verified")
	s.kubectl(t, "", "delete", "trustroot", "corp")
	report := s.reports(t, v1alpha1, "web", "fail TrustRootUnavailable, fail NoLongerTrusted")
	if text := message(report, "NoLongerTrusted"); !strings.Contains(text, "TrustRootUnavailable") {
		t.Error(text)
	}
}

// TestAdmissionsDoNotWaitForTheBackground: a registry answers the background verification nothing,
// and holds all requests that it may send at a time. Writes of other charts in the same registry are
// admitted meanwhile, also more of them at a time than the background has places.
func TestAdmissionsDoNotWaitForTheBackground(t *testing.T) {
	const places = 3 // registry.backgroundCharts, of which one namespace gets three quarters
	s := with(t, []string{openReports}, trusting(), never)
	var slow, fast []string
	for i := range 2 * places {
		slow, fast = append(slow, fmt.Sprintf("slow-%d", i)), append(fast, fmt.Sprintf("fast-%d", i))
		s.publish(t, slow[i], "one", release)
		s.publish(t, fast[i], "one", release)
	}
	s.deploy(t, slow...)
	var waiting, most atomic.Int64
	free := make(chan struct{})
	letGo := sync.OnceFunc(func() { close(free) })
	t.Cleanup(letGo)
	s.registry.Fail("/v2/acme/slow-", func(w http.ResponseWriter, req *http.Request, healthy http.Handler) {
		most.Store(max(most.Load(), waiting.Add(1)))
		defer waiting.Add(-1)
		select {
		case <-free:
			healthy.ServeHTTP(w, req)
		case <-req.Context().Done():
		}
	})
	s.Restart(t, soon) // so that it asks again where it has given up
	waits := func() string {
		if n := waiting.Load(); n < places {
			return fmt.Sprintf("the background waits for %d requests, not for %d\n%s", n, places, s.log())
		}
		return ""
	}
	harness.Eventually(t, waits)
	before := len(s.registry.Requests())
	var writes sync.WaitGroup
	for _, name := range fast {
		writes.Go(func() {
			if err := s.Client.Create(t.Context(), s.repository(t, name)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	writes.Wait()
	harness.Eventually(t, waits)
	t.Logf("%d requests while %d writes were admitted", len(s.registry.Requests())-before, len(fast))
	letGo()
	for _, name := range slow {
		s.reports(t, v1alpha1, name, "pass Verified")
	}
	if most.Load() > places {
		t.Errorf("the background sent %d requests at a time, not %d", most.Load(), places)
	}
}
