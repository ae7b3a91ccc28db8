package webhook_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// list is YAML of n items, made by a format with one number.
func list(n int, format string) string {
	var items []string
	for i := range n {
		items = append(items, fmt.Sprintf(format, i))
	}
	return "[" + strings.Join(items, ",\n    ") + "]"
}

// busyApplication is what Argo CD patches: 100 resources, ten syncs, the last of
// which it remembers in full.
func busyApplication(reconciledAt string) string {
	const source = `{repoURL: ghcr.io/acme, chart: unsigned, targetRevision: 1.0.0, helm: {releaseName: podinfo, valuesObject: {replicaCount: 3, ui: {message: hello, color: "#34577c"}, resources: {limits: {cpu: 100m, memory: 128Mi}}}}}`
	return object("Application", "argocd/podinfo", `
spec:
  project: default
  destination: {server: https://kubernetes.default.svc, namespace: apps}
  syncPolicy: {automated: {prune: true, selfHeal: true}, syncOptions: [CreateNamespace=true, ServerSideApply=true]}
  source: `+source+`
status:
  reconciledAt: "`+reconciledAt+`"
  health: {status: Healthy}
  sync: {status: Synced, revision: 1.0.0, comparedTo: {destination: {server: https://kubernetes.default.svc, namespace: apps}, source: `+source+`}}
  history: `+list(10, `{id: %[1]d, revision: 1.0.0, deployedAt: "2026-11-20T12:00:00Z", deployStartedAt: "2026-11-20T12:00:00Z", initiatedBy: {automated: true}, source: `+source+`}`)+`
  resources: `+list(100, `{group: apps, version: v1, kind: Deployment, namespace: apps, name: podinfo-%[1]d, status: Synced, health: {status: Healthy, message: "deployment podinfo-%[1]d successfully rolled out"}}`)+`
  operationState:
    phase: Succeeded
    message: successfully synced (all tasks run)
    startedAt: "2026-11-20T12:00:00Z"
    finishedAt: "2026-11-20T12:00:05Z"
    operation: {initiatedBy: {automated: true}, retry: {limit: 5}, sync: {revision: 1.0.0, syncOptions: [CreateNamespace=true]}}
    syncResult:
      revision: 1.0.0
      source: `+source+`
      resources: `+list(100, `{group: apps, version: v1, kind: Deployment, namespace: apps, name: podinfo-%[1]d, status: Synced, hookPhase: Running, syncPhase: Sync, message: "deployment.apps/podinfo-%[1]d configured. Warning: none"}`)+`
`)
}

// busyRelease is what helm-controller patches: long values, ten releases.
func busyRelease(lastHandled string) string {
	return object("HelmRelease", "apps/podinfo", `
spec:
  interval: 10m
  chart: {spec: {chart: unsigned, version: 1.0.0, sourceRef: {kind: HelmRepository, name: acme}}}
  values:
    scrapeConfigs: `+list(120, `{job: "job-%[1]d", interval: 30s, targets: ["podinfo-%[1]d.apps.svc:9898"], labels: {team: apps, tier: "%[1]d"}, relabel: {action: keep}}`)+`
status:
  helmChart: apps/apps-podinfo
  lastHandledReconcileAt: "`+lastHandled+`"
  history: `+list(10, `{name: podinfo, namespace: apps, version: %[1]d, appVersion: 6.7.1, chartName: podinfo, chartVersion: 1.0.0, status: superseded, digest: "`+hex("c")+`", configDigest: "`+hex("d")+`", firstDeployed: "2026-11-20T12:00:00Z", lastDeployed: "2026-11-20T12:00:00Z"}`)+`
  conditions: `+list(4, `{type: "Type%[1]d", status: "True", reason: InstallSucceeded, message: "Helm install succeeded for release apps/podinfo.v1 with chart podinfo@1.0.0", observedGeneration: 1, lastTransitionTime: "2026-11-20T12:00:00Z"}`)+`
`)
}

// idle are the writes that a cluster makes all day. Their charts are not signed, so
// a look at them would deny the write.
func idle(t testing.TB) map[string]admission.Request {
	return map[string]admission.Request{
		"Application":        update(t, busyApplication("2026-11-20T12:00:00Z"), busyApplication("2026-11-20T12:03:00Z"), ""),
		"HelmRelease-status": update(t, busyRelease("a"), busyRelease("b"), "status"),
		"HelmRelease":        update(t, busyRelease("a"), busyRelease("b"), ""),
	}
}

func TestUnchangedWritesAskNobody(t *testing.T) {
	for name, req := range idle(t) {
		t.Run(name, func(t *testing.T) {
			if size := len(req.Object.Raw); size < 20<<10 || size > 60<<10 {
				t.Fatalf("%d bytes are not realistic", size)
			}
			w := newWorld(t, repositories())
			got := w.charts(t, 1).Handle(t.Context(), req)
			if diff := cmp.Diff(said{Allowed: true}, saidBy(got)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]int64{0, 0, 0}, []int64{w.reads.Load(), w.asked.Load(), int64(len(w.events))}); diff != "" {
				t.Errorf("reads, registry requests and events: %s", diff)
			}
		})
	}
}

// BenchmarkUnchanged measures what chartgate adds to a write that changes no chart.
func BenchmarkUnchanged(b *testing.B) {
	for name, req := range idle(b) {
		b.Run(name, func(b *testing.B) {
			charts := newWorld(b, "").charts(b, 8)
			b.SetBytes(int64(len(req.Object.Raw) + len(req.OldObject.Raw)))
			b.ReportAllocs()
			for b.Loop() {
				if !charts.Handle(b.Context(), req).Allowed {
					b.Fatal("denied")
				}
			}
		})
	}
}
