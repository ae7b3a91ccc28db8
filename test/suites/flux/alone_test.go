package flux_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chartgate/chartgate/test/harness"
)

// The tests of this file change what all tests share, so they run before the others, one after the
// other.

// TestReleasesFromBeforeChartgate: unsigned charts that were installed before chartgate continue to
// run, are denied at helm-controller's next action, and are deployed without another action once
// they are signed. Some actions repeat the last one, so that helm-controller records no other
// attempt.
func TestReleasesFromBeforeChartgate(t *testing.T) {
	byOCIRepository := func(m *team) []string {
		return []string{ociRepository("app", m.own(), "1.0.0"), releaseBy("app", "OCIRepository", "app")}
	}
	byHelmRepository := func(m *team) []string {
		return []string{helmRepository("charts", m.own()), releaseOf("app", "charts", "1.0.0", "")}
	}
	newValues := func(t *testing.T, m *team) { m.Patch(t, release("app", spec("values: {extra: new}"))) }
	rows := []struct {
		sentence string
		objects  func(*team) []string
		action   func(*testing.T, *team)
		then     string // is deployed once the chart is signed; "" if helm-controller does not try again by itself
		*team
	}{
		{sentence: "other values, OCIRepository", objects: byOCIRepository, action: newValues, then: "one new"},
		{sentence: "other values, HelmRepository", objects: byHelmRepository, action: newValues, then: "one new"},
		{sentence: "a forced upgrade", objects: byHelmRepository, action: func(t *testing.T, m *team) {
			m.Annotate(t, release("app", ""), map[string]string{"reconcile.fluxcd.io/requestedAt": "now", "reconcile.fluxcd.io/forceAt": "now"})
		}},
		{sentence: "helm's record is deleted", objects: byOCIRepository, then: "one none", action: func(t *testing.T, m *team) {
			for _, name := range m.revisions(t, "app") {
				m.Remove(t, "{apiVersion: v1, kind: Secret, metadata: {name: "+name+"}}")
			}
			m.reconcile(t, release("app", ""), "now")
		}},
	}
	for i := range rows {
		rows[i].team = newTeam(t)
		rows[i].evil = rows[i].own().Push(t, "1.0.0", "one")
	}
	theSite(t).withoutGate(t, func() {
		for _, row := range rows {
			row.Apply(t, row.objects(row.team)...)
		}
		for _, row := range rows {
			row.deploys(t, "app", "one none")
			row.becomesReady(t, release("app", ""))
		}
	})
	for _, row := range rows {
		row.action(t, row.team)
	}
	for _, row := range rows {
		t.Run(row.sentence, func(t *testing.T) {
			if row.then == "" {
				row.stoppedOnce(t, "one none")
			} else {
				row.stoppedAt(t, "one none")
			}
			if got := row.warnings(t, "HelmRelease", "app"); !slices.Contains(got, "SignatureMissing") {
				t.Errorf("warnings about the release: %v", got)
			}
			if got := row.revisions(t, "app"); len(got) > 1 {
				t.Errorf("helm's records %v", got)
			}
			if row.then == "" {
				return
			}
			row.own().Sign(t, row.evil)
			row.deploys(t, "app", row.then)
			row.becomesReady(t, release("app", ""))
			harness.Eventually(t, func() string {
				if len(row.revisions(t, "app")) == 0 {
					return "helm has no record"
				}
				return ""
			})
		})
	}
}

// withoutGate runs a function while chartgate's webhooks are not configured.
func (w *site) withoutGate(t *testing.T, do func()) {
	t.Helper()
	probe := newTeam(t)
	w.WithoutGate(t, probe.Object(t, helmRepository("probe", probe.abroad())), do)
}

// TestRepackagedChartOfASwappedRepository: no digest proves an archive that source-controller made
// of a chart and values files. A user who changes a HelmRepository while source-controller pulls
// from it can bring in any chart, unless the admin does not allow such charts: docs/security.md
// says so.
func TestRepackagedChartOfASwappedRepository(t *testing.T) {
	start := func() *team {
		m := newTeam(t)
		m.own().Signed(t, "1.0.0", "one")
		m.elsewhere().Push(t, "1.0.0", "evil")
		m.Apply(t, helmRepository("charts", m.own()), helmChart("app", "charts", "1.0.0", ", valuesFiles: [values.yaml, values-prod.yaml]"),
			releaseBy("app", "HelmChart", "app"))
		m.deploys(t, "app", "one prod")
		m.becomesReady(t, release("app", ""))
		return m
	}
	attack := func(m *team) {
		m.swapRepackaged(t)
		harness.Eventually(t, func() string {
			found := m.Get(t, source("HelmChart", "app", ""))
			if harness.Field(found, "status", "observedGeneration") != fmt.Sprint(found.GetGeneration()) {
				return harness.Condition(found, "Ready")
			}
			return ""
		})
		m.Patch(t, release("app", spec("values: {extra: new}")))
	}

	site, allowed, denied := theSite(t), start(), start()
	attack(allowed)
	allowed.deploys(t, "app", "evil new")

	site.Restart(t, "--repackaged-charts=Deny")
	defer site.Restart(t)
	denied.Patch(t, release("app", spec("values: {extra: new}")))
	denied.stoppedAt(t, "one prod")
}

// TestChartgateIsDown: what runs continues, and writes of the status that do not change a chart
// succeed; no other chart is deployed; once chartgate is back, all releases are reconciled.
func TestChartgateIsDown(t *testing.T) {
	m, n := newTeam(t), newTeam(t)
	for _, team := range []*team{m, n} {
		team.own().Signed(t, "1.0.0", "one")
		team.own().Signed(t, "1.1.0", "two")
		team.Apply(t, ociRepository("app", team.own(), "1.0.0"), configMapOf("none"),
			helmRelease("app", "valuesFrom: [{kind: ConfigMap, name: values}], chartRef: {kind: OCIRepository, name: app}"))
		team.deploys(t, "app", "one none")
		team.becomesReady(t, release("app", ""))
	}
	site := theSite(t)
	if err := site.Gate.Stop(); err != nil {
		t.Fatal(err)
	}
	start := sync.OnceFunc(func() {
		if err := site.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
	})
	defer start() // also after a failure: other tests follow

	// m: nothing changes, and Flux is asked to look.
	for _, text := range []string{release("app", ""), source("OCIRepository", "app", "")} {
		m.reconcile(t, text, "down")
		harness.Eventually(t, func() string {
			if got := harness.Field(m.Get(t, text), "status", "lastHandledReconcileAt"); got != "down" {
				return "last handled: " + got
			}
			return ""
		})
		if got := m.ready(t, text); !strings.HasPrefix(got, "Ready=True") {
			t.Errorf("while chartgate is down: %s", got)
		}
	}
	// n: the values change, about which the API server calls no webhook, and a new chart cannot be
	// asked for.
	n.Apply(t, configMapOf("new"))
	n.reconcile(t, release("app", ""), "values")
	if err := n.TryPatch(t, editor, n.Object(t, source("OCIRepository", "app", spec("ref: {tag: 1.1.0}")))); err == nil {
		t.Error("a new version was admitted while chartgate is down")
	}
	n.stoppedAt(t, "one none")
	if got := m.deployed(t, "app"); got != "one none" {
		t.Errorf("while chartgate is down, deployed %q", got)
	}

	start()
	n.deploys(t, "app", "one new")
	n.becomesReady(t, release("app", ""))
	m.Apply(t, ociRepository("app", m.own(), "1.1.0"))
	m.deploys(t, "app", "two none")
}

// configMapOf are the values of a release.
func configMapOf(extra string) string {
	return "{apiVersion: v1, kind: ConfigMap, metadata: {name: values}, data: {values.yaml: \"extra: " + extra + "\"}}"
}
