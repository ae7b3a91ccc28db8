package argocd_test

import (
	"testing"
)

// TestMovedTag: content without a signature that takes the place of a signed chart is not deployed.
// What runs stays until it is lost; once the other content is signed, it is deployed without
// another action.
func TestMovedTag(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		sentence string
		source   func(*team) string
		refresh  string // before what runs is lost
		revision func(digest string) string
		then     string // is deployed once the other content is signed
	}{
		{
			sentence: "a native source by tag",
			source:   func(m *team) string { return nativeSource(m.own(), "1.0.0") },
			refresh:  "normal",
			revision: func(digest string) string { return digest },
			then:     "moved none",
		},
		{
			// Argo CD keeps what it has pulled of a version.
			sentence: "a Helm-OCI source",
			source:   func(m *team) string { return helmSource(m.own(), "1.0.0") },
			refresh:  "normal",
			revision: func(string) string { return "1.0.0" },
			then:     "one none",
		},
		{
			sentence: "a Helm-OCI source, pulled again",
			source:   func(m *team) string { return helmSource(m.own(), "1.0.0") },
			refresh:  "hard",
			revision: func(string) string { return "1.0.0" },
			then:     "moved none",
		},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			t.Parallel()
			m := newTeam(t)
			m.own().Signed(t, "1.0.0", "one")
			m.Apply(t, m.application(source(row.source(m)), automated))
			m.deploys(t, "one none")
			m.isIn(t, "Synced Healthy")

			digest := m.own().Push(t, "1.0.0", "moved")
			m.refresh(t, row.refresh)
			if got := m.deployed(t); got != "one none" {
				t.Errorf("deployed %q", got)
			}
			m.Remove(t, m.configMap(""))
			m.isStopped(t, row.revision(digest))
			m.refresh(t, "normal")
			if got := m.deployed(t); got != "" {
				t.Errorf("deployed %q", got)
			}

			m.own().Sign(t, digest)
			m.deploys(t, row.then)
		})
	}
}

// TestVersionMovedAndMovedBack: someone who can push to a repository has Argo CD pull other content
// of a version while it is there, and puts the signed chart back. By version, Argo CD then deploys
// what it has pulled, about which it asks nobody: docs/security.md says so. Its syncs of native sources
// name a digest.
func TestVersionMovedAndMovedBack(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		sentence string
		source   func(*team) string
		then     string
	}{
		{"a native source by tag", func(m *team) string { return nativeSource(m.own(), "1.0.0") }, "one none"},
		{"a Helm-OCI source, which is not protected", func(m *team) string { return helmSource(m.own(), "1.0.0") }, "evil none"},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			t.Parallel()
			m := newTeam(t)
			signed := m.own().Signed(t, "1.0.0", "one")
			m.Apply(t, m.application(source(row.source(m))))
			m.syncs(t)
			m.deploys(t, "one none")

			m.own().Push(t, "1.0.0", "evil")
			m.refresh(t, "hard")
			if err := m.own().Registry.Tag(m.own().Repository(), "1.0.0", signed); err != nil {
				t.Fatal(err)
			}
			m.syncs(t)
			m.isIn(t, "Synced Healthy")
			if got := m.deployed(t); got != row.then {
				t.Errorf("deployed %q, want %q", got, row.then)
			}
		})
	}
}
