package background_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/chartgate/chartgate/test/harness"
)

// pulled writes what source-controller writes into the status once it has pulled the chart.
func (s *site) pulled(t *testing.T, name, digest string) {
	t.Helper()
	object := s.repository(t, name)
	status := fmt.Sprintf(`{"status": {"artifact": {"digest": %q, "revision": "1.0.0@%s", "lastUpdateTime": "2026-11-29T00:00:00Z", "path": "x", "url": "http://source-controller/x"}}}`, s.layers[name], digest)
	_, err := s.Resource(t, harness.Admin, object).Patch(t.Context(), name, types.MergePatchType, []byte(status), metav1.PatchOptions{}, "status")
	if err != nil {
		t.Fatal(err)
	}
}

// TestTagMoves: what a tag means changes in the registry, and nothing changes in the cluster.
func TestTagMoves(t *testing.T) {
	s := with(t, []string{openReports}, trusting(), soon)
	before := s.publish(t, "web", "one", release)
	s.deploy(t, "web")
	s.pulled(t, "web", before)
	report := s.reports(t, v1alpha1, "web", "pass Verified")
	s.metric(t, `chartgate_audit_findings{kind="TagMoved"} 0`)
	s.metric(t, `chartgate_audit_charts{reason="",verdict="Verified"} 1`)

	stored := s.Stored(t, s.repository(t, "web"))
	owner := []metav1.OwnerReference{{APIVersion: stored.GetAPIVersion(), Kind: "OCIRepository", Name: "web", UID: stored.GetUID()}}
	if diff := cmp.Diff(owner, report.GetOwnerReferences()); diff != "" {
		t.Errorf("the report is not collected with its object: %s", diff)
	}
	scope, _, _ := unstructured.NestedStringMap(report.Object, "scope")
	want := map[string]string{"apiVersion": stored.GetAPIVersion(), "kind": "OCIRepository", "namespace": "apps", "name": "web", "uid": string(stored.GetUID())}
	if diff := cmp.Diff(want, scope); diff != "" {
		t.Errorf("scope: %s", diff)
	}

	s.looked(t)
	if after := s.report(t, v1alpha1, "web"); after.GetResourceVersion() != report.GetResourceVersion() {
		t.Errorf("the report was written again without a change: %v", after.Object)
	}

	after := s.publish(t, "web", "two", release)
	report = s.reports(t, v1alpha1, "web", "pass Verified, warn TagMoved")
	if text := message(report, "TagMoved"); !strings.Contains(text, before) || !strings.Contains(text, after) {
		t.Errorf("the finding does not name both digests: %s", text)
	}
	s.metric(t, `chartgate_audit_findings{kind="TagMoved"} 1`)
	s.looked(t)
	if diff := cmp.Diff([]string{"Warning TagMoved"}, s.events(t, "web")); diff != "" {
		t.Errorf("Events: %s", diff)
	}

	s.pulled(t, "web", after)
	s.reports(t, v1alpha1, "web", "pass Verified")
	s.metric(t, `chartgate_audit_findings{kind="TagMoved"} 0`)
	s.kubectl(t, "", "delete", "ocirepository", "web", "-n", "apps")
	s.reports(t, v1alpha1, "web", "no report") // no garbage collector runs here
}

// TestIdentityIsRemoved: the next look is an hour away, and chartgate sees the change at once.
func TestIdentityIsRemoved(t *testing.T) {
	s := with(t, []string{openReports, policyReports}, waiver(100), never)
	s.publish(t, "web", "one", release)
	s.publish(t, "other", "one", "")
	s.deploy(t, "web", "other")
	s.kubectl(t, "", "delete", "chartpolicy", "migration")
	if err := s.ApplyText(context.Background(), trusting()); err != nil {
		t.Fatal(err)
	}
	s.Restart(t)
	s.reports(t, v1alpha1, "web", "pass Verified")
	s.reports(t, v1alpha1, "other", "fail SignatureMissing")
	s.looks(t, 1)
	began := time.Now()
	s.kubectl(t, "", "delete", "trustedidentity", "acme-release")
	report := s.reports(t, v1alpha1, "web", "fail PolicyInvalid, fail NoLongerTrusted")
	t.Logf("seen after %s", time.Since(began).Round(time.Second))
	text := message(report, "NoLongerTrusted")
	for _, named := range []string{"identity acme-release", "policy acme", "PolicyInvalid"} {
		if !strings.Contains(text, named) {
			t.Errorf("the finding does not name %s: %s", named, text)
		}
	}
	s.metric(t, `chartgate_audit_findings{kind="NoLongerTrusted"} 1`)
	if diff := cmp.Diff([]string{"Warning NoLongerTrusted"}, s.events(t, "web")); diff != "" {
		t.Errorf("Events: %s", diff)
	}
	if found := s.events(t, "other"); len(found) > 0 {
		t.Errorf("Events on what was never trusted: %s", found)
	}
	if err := s.ApplyText(context.Background(), harness.Identity("acme-release", keyless(release))); err != nil {
		t.Fatal(err)
	}
	s.reports(t, v1alpha1, "web", "pass Verified")
	if diff := cmp.Diff([]string{"Normal Verified", "Warning NoLongerTrusted"}, s.events(t, "web")); diff != "" {
		t.Errorf("Events: %s", diff)
	}
}

// waiver is a policy that admits charts without evidence for some days.
func waiver(days int) string {
	until := time.Now().UTC().AddDate(0, 0, days).Format(time.DateOnly)
	return harness.Policy("migration", `{match: {charts: ["oci://ghcr.io/acme/**"]}, allowUnverified: {reason: migration, until: "`+until+`"}}`)
}

// TestWaiverComesToItsEnd: fourteen days before, and not earlier.
func TestWaiverComesToItsEnd(t *testing.T) {
	s := with(t, []string{openReports}, waiver(30), never)
	s.publish(t, "web", "one", "")
	s.deploy(t, "web")
	s.Restart(t)
	s.reports(t, v1alpha1, "web", "pass AllowedUnverified")
	if err := s.ApplyText(context.Background(), waiver(10)); err != nil {
		t.Fatal(err)
	}
	report := s.reports(t, v1alpha1, "web", "pass AllowedUnverified, warn WaiverEnding")
	if text := message(report, "WaiverEnding"); !strings.Contains(text, "migration") {
		t.Errorf("the finding does not name the policy: %s", text)
	}
	s.metric(t, `chartgate_audit_findings{kind="WaiverEnding"} 1`)
	if diff := cmp.Diff([]string{"Warning WaiverEnding"}, s.events(t, "web")); diff != "" {
		t.Errorf("Events: %s", diff)
	}
}

// TestFlavors: the same in PolicyReports, and without any reports.
func TestFlavors(t *testing.T) {
	for _, c := range []struct {
		sentence    string
		definitions []string
		args        []string
		report      string // the API version
	}{
		{"PolicyReports, where there are no Reports", []string{policyReports}, nil, "wgpolicyk8s.io/v1alpha2"},
		{"Events and metrics only, where there are neither", nil, nil, ""},
		{"Events and metrics only, where the admin wants no reports", []string{openReports}, []string{"--audit-reports=false"}, ""},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			s := with(t, c.definitions, trusting(), append(c.args, soon)...)
			s.publish(t, "web", "one", release)
			s.deploy(t, "web")
			s.metric(t, `chartgate_audit_charts{reason="",verdict="Verified"} 1`)
			if err := s.ApplyText(context.Background(), harness.Identity("acme-release", keyless("other@acme.example"))); err != nil {
				t.Fatal(err)
			}
			s.metric(t, `chartgate_audit_findings{kind="NoLongerTrusted"} 1`)
			s.looked(t)
			if diff := cmp.Diff([]string{"Warning NoLongerTrusted"}, s.events(t, "web")); diff != "" {
				t.Errorf("Events: %s", diff)
			}
			if c.report != "" {
				report := s.report(t, c.report, "web")
				if got := results(report); got != "fail IdentityNotAllowed, fail NoLongerTrusted" {
					t.Errorf("the report says %q", got)
				}
			} else if slices.Contains(c.definitions, openReports) && s.report(t, v1alpha1, "web") != nil {
				t.Error("there is a report")
			}
			if strings.Contains(s.log(), `"level":"error"`) {
				t.Errorf("errors in the log:\n%s", s.log())
			}
		})
	}
}
