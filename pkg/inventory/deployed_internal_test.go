package inventory

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/verdict"
)

const (
	digestA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	digestB = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func digest(t *testing.T, text string) chart.Digest {
	t.Helper()
	if text == "" {
		return chart.Digest{}
	}
	d, err := chart.ParseDigest(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestRunning: what a HelmRelease runs is the newest deployment that has not failed.
func TestRunning(t *testing.T) {
	for _, c := range []struct {
		sentence string
		history  []deployment
		want     string
	}{
		{"nothing was ever deployed", nil, ""},
		{"the newest runs", []deployment{{"2.0.0", "deployed", ""}, {"1.0.0", "superseded", ""}}, "2.0.0"},
		{"the newest has failed, and the one before runs", []deployment{{"3.0.0", "failed", ""}, {"2.0.0", "deployed", ""}, {"1.0.0", "superseded", ""}}, "2.0.0"},
		{"the newest is being made, and the one before runs", []deployment{{"3.0.0", "pending-upgrade", ""}, {"2.0.0", "deployed", ""}}, "2.0.0"},
		{"all have failed, so the newest has left something", []deployment{{"2.0.0", "failed", ""}, {"1.0.0", "failed", ""}}, "2.0.0"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			if got, ok := running(c.history); got.ChartVersion != c.want || ok != (c.want != "") {
				t.Errorf("%q, %t; want %q", got.ChartVersion, ok, c.want)
			}
		})
	}
}

// TestSynced: Argo CD tells one revision for a source, and a list of them for sources.
func TestSynced(t *testing.T) {
	var s status
	s.Status.Sync.Revision, s.Status.Sync.Revisions = "1.0.0", []string{"2.0.0", digestA}
	for field, want := range map[string]Deployed{
		"spec.source":                   {Revision: "1.0.0"},
		"spec.sourceHydrator.drySource": {Revision: "1.0.0"},
		"spec.sources[0]":               {Revision: "2.0.0"},
		"spec.sources[1]":               {Revision: digestA, Manifest: digestA},
		"spec.sources[2]":               {},
		"spec.sources[-1]":              {},
	} {
		if diff := cmp.Diff(want, synced(s, field)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", field, diff)
		}
	}
}

// TestWhatIsDeployedAndWhatTheReferenceMeans: the two are compared by digests, and only a tag that
// means something else is a finding. Where a range has chosen another version, an upgrade is due.
func TestWhatIsDeployedAndWhatTheReferenceMeans(t *testing.T) {
	for _, c := range []struct {
		sentence         string
		deployed         Deployed
		tag, now, layer  string
		want             Comparison
		moved, mentioned string
	}{
		{"nothing is deployed", Deployed{}, "1.0.0", digestA, "", "", "", ""},
		{"the reference could not be resolved", Deployed{Revision: "1.0.0", Manifest: digestA}, "", "", "", Unknown, "", ""},
		{"the same manifest", Deployed{Revision: "1.0.0", Manifest: digestA}, "1.0.0", digestA, "", Same, "", ""},
		{"another manifest", Deployed{Revision: "1.0.0", Manifest: digestA}, "1.0.0", digestB, "", Moved, "1.0.0", "whose manifest is " + digestA},
		{"the same archive", Deployed{Revision: "1.0.0", Archive: digestA}, "1.0.0", digestB, digestA, Same, "", ""},
		{"another archive", Deployed{Revision: "1.0.0", Archive: digestA}, "1.0.0", digestA, digestB, Moved, "1.0.0", "whose archive is " + digestA + " and not " + digestB},
		{"another manifest with the same archive", Deployed{Revision: "1.0.0", Manifest: digestA, Archive: digestA}, "1.0.0", digestB, digestA, Moved, "1.0.0", "whose manifest is"},
		{"an archive, and the manifest has no layer", Deployed{Revision: "1.0.0", Archive: digestA}, "1.0.0", digestB, "", Unknown, "", ""},
		{"a version alone", Deployed{Revision: "1.0.0"}, "1.0.0", digestA, digestB, Unknown, "", ""},
		{"a digest that the reference itself names", Deployed{Revision: "1.0.0", Manifest: digestA}, "", digestB, "", Moved, "", ""},
		{"a range has chosen another version", Deployed{Revision: "1.0.0", Manifest: digestA}, "1.1.0", digestB, "", Moved, "", ""},
		{"a revision with its digest", Deployed{Revision: "1.0.0@" + digestA, Manifest: digestA}, "1.0.0", digestB, "", Moved, "1.0.0", ""},
		{"a version with a v in the tag", Deployed{Revision: "1.0.0", Manifest: digestA}, "v1.0.0", digestB, "", Moved, "v1.0.0", ""},
		{"a version with a v that the tag has not", Deployed{Revision: "v1.0.0", Manifest: digestA}, "1.0.0", digestB, "", Moved, "1.0.0", ""},
		{"a version with build metadata", Deployed{Revision: "1.0.0+5", Manifest: digestA}, "1.0.0_5", digestB, "", Moved, "1.0.0_5", ""},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			now := artifact.Resolved{Tag: c.tag, Digest: digest(t, c.now), Layer: digest(t, c.layer)}
			c.deployed.Is = c.deployed.compare(now)
			if c.deployed.Is != c.want {
				t.Errorf("it is %q, want %q", c.deployed.Is, c.want)
			}
			found := tagMoved(c.deployed, now)
			if len(found) != 0 != (c.moved != "") {
				t.Fatalf("findings: %v", found)
			}
			for _, f := range found {
				if f.Kind != TagMoved || !strings.HasPrefix(f.Detail, "the tag "+c.moved+" means "+c.now+" now") || !strings.Contains(f.Detail, c.mentioned) {
					t.Errorf("%s: %s", f.Kind, f.Detail)
				}
			}
		})
	}
}

// TestWaiverEnding: a waiver is a finding for its last 14 days.
func TestWaiverEnding(t *testing.T) {
	end := time.Date(2026, 12, 25, 0, 0, 0, 0, time.UTC)
	waiver := verdict.Acceptance{Policy: "legacy", Waiver: "until 2026-12-24", WaiverEnds: end}
	for _, c := range []struct {
		sentence string
		by       verdict.Acceptance
		now      time.Time
		want     []Finding
	}{
		{"15 days before its end", waiver, end.AddDate(0, 0, -15), nil},
		{"14 days before its end", waiver, end.AddDate(0, 0, -14), []Finding{{WaiverEnding, "the waiver in policy legacy ends soon: until 2026-12-24"}}},
		{"a moment more", waiver, end.AddDate(0, 0, -14).Add(-time.Second), nil},
		{"on its last day", waiver, end.Add(-time.Hour), []Finding{{WaiverEnding, "the waiver in policy legacy ends soon: until 2026-12-24"}}},
		{"a waiver without an end", verdict.Acceptance{Policy: "legacy", Waiver: "for ever"}, end, nil},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			v := verdict.Admit(verdict.Subject{}, []verdict.Acceptance{c.by})
			if !v.Admits() {
				t.Fatal(v.Message())
			}
			if diff := cmp.Diff(c.want, waiverEnding(v, c.now)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
