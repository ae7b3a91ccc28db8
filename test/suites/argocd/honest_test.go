package argocd_test

import (
	"testing"

	"github.com/chartgate/chartgate/test/harness"
)

// way is one of the ways in which Argo CD gets a chart.
type way struct {
	sentence string
	// publish signs a version of a chart, and returns the fields of spec that deploy it.
	publish func(t *testing.T, m *team, version, message string) string
	second  bool // it deploys a second release, with the message of the first
}

func ways() []way {
	return []way{
		{sentence: "a Helm-OCI source by version", publish: func(t *testing.T, m *team, version, message string) string {
			m.own().Signed(t, version, message)
			return source(helmSource(m.own(), version))
		}},
		{sentence: "a Helm-OCI source by range", publish: func(t *testing.T, m *team, version, message string) string {
			m.floating().Signed(t, version, message)
			return source(helmSource(m.floating(), "1.x"))
		}},
		{sentence: "a native source by tag", publish: func(t *testing.T, m *team, version, message string) string {
			m.own().Signed(t, version, message)
			return source(nativeSource(m.own(), version))
		}},
		{sentence: "a native source by digest", publish: func(t *testing.T, m *team, version, message string) string {
			return source(nativeSource(m.own(), m.own().Signed(t, version, message)))
		}},
		{sentence: "a native source by range", publish: func(t *testing.T, m *team, version, message string) string {
			m.floating().Signed(t, version, message)
			return source(nativeSource(m.floating(), "1.x"))
		}},
		{sentence: "several sources", second: true, publish: func(t *testing.T, m *team, version, message string) string {
			m.own().Signed(t, version, message)
			m.elsewhere().Signed(t, version, message)
			return "sources: [" + helmSource(m.own(), version) + ", " + nativeSource(m.elsewhere(), version, "helm: {releaseName: "+m.second()+"}") + "]"
		}},
	}
}

// deploys waits until all that the way deploys is there.
func (w way) deploys(t *testing.T, m *team, message string) {
	t.Helper()
	m.deploys(t, message+" none")
	if w.second {
		m.releases(t, m.second(), message+" none")
	}
	m.isIn(t, "Synced Healthy")
}

// TestSignedCharts: deployed, upgraded and repaired, by every way, automatically.
func TestSignedCharts(t *testing.T) {
	t.Parallel()
	for _, way := range ways() {
		t.Run(way.sentence, func(t *testing.T) {
			t.Parallel()
			m := newTeam(t)
			m.Apply(t, m.application(way.publish(t, m, "1.0.0", "one"), automated))
			way.deploys(t, m, "one")

			m.Apply(t, m.application(way.publish(t, m, "1.1.0", "two"), automated))
			m.refresh(t, "normal")
			way.deploys(t, m, "two")

			m.Patch(t, m.configMap("data: {message: by hand}"))
			way.deploys(t, m, "two")
			old := m.uid(t)
			m.Remove(t, m.configMap(""))
			harness.Eventually(t, func() string {
				if uid := m.uid(t); uid == "" || uid == old {
					return "not deployed again: " + m.state(t)
				}
				return ""
			})
			way.deploys(t, m, "two")
			if got := m.Refused(t, controller, m.Object(t, m.fields())); got > 0 {
				t.Errorf("%d writes of Argo CD were denied", got)
			}
		})
	}
}

// TestManualSyncs: deployed, upgraded and rolled back, by every way, when a person asks for it.
func TestManualSyncs(t *testing.T) {
	t.Parallel()
	for _, way := range ways() {
		t.Run(way.sentence, func(t *testing.T) {
			t.Parallel()
			m := newTeam(t)
			m.Apply(t, m.application(way.publish(t, m, "1.0.0", "one")))
			m.refresh(t, "normal")
			if got := m.deployed(t); got != "" {
				t.Errorf("deployed %q without a sync", got)
			}
			m.syncs(t)
			way.deploys(t, m, "one")

			m.Apply(t, m.application(way.publish(t, m, "1.1.0", "two")))
			m.refresh(t, "normal")
			if got := m.deployed(t); got != "one none" {
				t.Errorf("deployed %q without a sync", got)
			}
			m.syncs(t)
			way.deploys(t, m, "two")

			m.rollsBack(t)
			m.deploys(t, "one none")
			m.isIn(t, "OutOfSync Healthy")
			if got := harness.Field(m.Get(t, m.fields()), "status", "operationState", "phase"); got != "Succeeded" {
				t.Errorf("the rollback: %s", m.state(t))
			}
			m.syncs(t)
			way.deploys(t, m, "two")
			for _, user := range []string{controller, server} {
				if got := m.Refused(t, user, m.Object(t, m.fields())); got > 0 {
					t.Errorf("%d writes of %s were denied", got, user)
				}
			}
		})
	}
}
