package argocd_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/chartgate/chartgate/test/harness"
)

// The tests of this file change what all tests share, so they run before the others, one after the
// other.

// TestApplicationsFromBeforeChartgate: an Application with a chart that policies do not accept is
// not synced, whether Argo CD or a person asks for it. The condition SyncError says why, in full.
// Once the chart is signed, it is deployed without another action.
func TestApplicationsFromBeforeChartgate(t *testing.T) {
	unsigned := func(m *team) string { return m.own().Push(t, "1.0.0", "one") }
	strangers := func(m *team) string { return m.forged().Signed(t, "1.0.0", "one") }
	rows := []*struct {
		sentence string
		publish  func(*team) (digest string)
		native   bool
		runs     bool // was deployed before chartgate
		cause    string
		*team
		digest string
	}{
		{sentence: "an unsigned chart, Helm-OCI", publish: unsigned, cause: "SignatureMissing"},
		{sentence: "an unsigned chart, native", publish: unsigned, native: true, cause: "SignatureMissing"},
		{sentence: "a chart that a stranger has signed, Helm-OCI", publish: strangers, cause: "SignatureInvalid"},
		{sentence: "a chart that a stranger has signed, native", publish: strangers, native: true, cause: "SignatureInvalid"},
		{sentence: "an unsigned chart that runs", publish: unsigned, runs: true, cause: "SignatureMissing"},
	}
	for _, row := range rows {
		row.team = newTeam(t)
		row.digest = row.publish(row.team)
	}
	theSite(t).withoutGate(t, func() {
		for _, row := range rows {
			from := helmSource(row.own(), "1.0.0")
			if row.native {
				from = nativeSource(row.own(), "1.0.0")
			}
			row.Apply(t, row.application(source(from)))
			if row.runs {
				row.syncs(t)
				row.deploys(t, "one none")
			}
		}
	})
	for _, row := range rows {
		t.Run(row.sentence, func(t *testing.T) {
			t.Parallel()
			m, revision := row.team, "1.0.0"
			if row.native {
				revision = row.digest
			}
			m.refresh(t, "normal")
			m.isDenied(t, "argocd app sync", m.operate(t, server, m.syncTo(t, revision)), row.cause+" operation.sync.source")

			m.Patch(t, m.fields("spec: {"+automated+"}"))
			if row.runs {
				m.refresh(t, "normal")
				if got := m.deployed(t); got != "one none" {
					t.Errorf("what ran is now %q", got)
				}
				m.Remove(t, m.configMap(""))
			}
			m.isStopped(t, revision)
			if got := m.deployed(t); got != "" {
				t.Errorf("deployed %q", got)
			}
			if got := m.syncError(t); !strings.Contains(got, "("+row.cause+")") || !strings.Contains(got, "\n  next:") {
				t.Errorf("SyncError is %s", got)
			}

			m.own().Sign(t, row.digest)
			m.deploys(t, "one none")
			m.isIn(t, "Synced Healthy")
			if got := m.syncError(t); got != "" {
				t.Errorf("SyncError is still %s", got)
			}
		})
	}
}

// TestForgeriesWithoutChartgate: Argo CD itself deploys what each of the forgeries asks for.
func TestForgeriesWithoutChartgate(t *testing.T) {
	rows := forgeries()
	teams := make([]*team, len(rows))
	t.Run("prepare", func(t *testing.T) {
		for i, forgery := range rows {
			t.Run(forgery.sentence, func(t *testing.T) {
				t.Parallel()
				teams[i] = forgery.prepare(t)
			})
		}
	})
	theSite(t).withoutGate(t, func() {
		for i, forgery := range rows {
			for _, err := range forgery.attack(t, teams[i]) {
				if err != nil {
					t.Errorf("%s: %v", forgery.sentence, err)
				}
			}
		}
		for i, forgery := range rows {
			t.Run(forgery.sentence, func(t *testing.T) { teams[i].deploys(t, "evil none") })
		}
	})
}

// withoutGate runs a function while chartgate's webhooks are not configured.
func (w *site) withoutGate(t *testing.T, do func()) {
	t.Helper()
	probe := newTeam(t)
	w.WithoutGate(t, probe.Object(t, probe.application(source(helmSource(probe.own(), "1.0.0")))), do)
}

// TestChartgateIsDown: what runs continues, and Argo CD goes on to compare and to write what it
// finds. What needs a sync waits, and is made up for once chartgate is back, without another action.
func TestChartgateIsDown(t *testing.T) {
	idle, lost, outdated := newTeam(t), newTeam(t), newTeam(t)
	idle.own().Signed(t, "1.0.0", "one")
	idle.own().Signed(t, "1.1.0", "two")
	idle.Apply(t, idle.application(source(helmSource(idle.own(), "1.0.0")), automated))
	lost.own().Signed(t, "1.0.0", "one")
	lost.Apply(t, lost.application(source(nativeSource(lost.own(), "1.0.0")), automated))
	outdated.floating().Signed(t, "1.0.0", "one")
	outdated.Apply(t, outdated.application(source(helmSource(outdated.floating(), "1.x")), automated))
	all := []*team{idle, lost, outdated}
	for _, m := range all {
		m.deploys(t, "one none")
		m.isIn(t, "Synced Healthy")
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

	lost.Remove(t, lost.configMap(""))
	outdated.floating().Signed(t, "1.1.0", "two")
	outdated.refresh(t, "normal")
	upgrade := idle.Object(t, idle.application(source(helmSource(idle.own(), "1.1.0")), automated))
	if err := idle.TryApply(t, upgrade); err == nil || !strings.Contains(err.Error(), unreachable) {
		t.Errorf("a new version while chartgate is down: %v", err)
	}
	for _, m := range []*team{lost, outdated} {
		harness.Eventually(t, func() string {
			if got := m.syncError(t); !strings.Contains(got, unreachable) {
				return "SyncError: " + got
			}
			return ""
		})
	}
	for range 2 {
		before := idle.reconciledAt(t)
		harness.Eventually(t, func() string {
			if idle.reconciledAt(t) == before {
				return "not refreshed since " + before
			}
			return ""
		})
	}
	for m, want := range map[*team]string{idle: "one none", lost: "", outdated: "one none"} {
		if got := m.deployed(t); got != want {
			t.Errorf("while chartgate is down, deployed %q, want %q: %s", got, want, m.state(t))
		}
	}
	if got := harness.Field(idle.Get(t, idle.fields()), "status", "sync", "status"); got != "Synced" {
		t.Errorf("while chartgate is down, what is idle is %s", got)
	}

	start()
	lost.deploys(t, "one none")
	outdated.deploys(t, "two none")
	for _, m := range all {
		m.isIn(t, "Synced Healthy")
	}
	if err := idle.TryApply(t, upgrade); err != nil {
		t.Fatal(err)
	}
	idle.deploys(t, "two none")
}

// unreachable is a part of what the API server says about a webhook that does not answer.
const unreachable = "failed calling webhook"

// reconciledAt is when the controller has last compared the Application with what runs.
func (m *team) reconciledAt(t *testing.T) string {
	t.Helper()
	return harness.Field(m.Get(t, m.fields()), "status", "reconciledAt")
}
