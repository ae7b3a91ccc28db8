package flux_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/test/harness"
)

// way is one of the ways in which Flux gets a chart.
type way struct {
	sentence string
	objects  func(at harness.Place, version string) []string
	extra    string // of values.yaml; of values-prod.yaml where the chart is repackaged with it
	floating bool   // the tag is no version
}

func ways() []way {
	return []way{
		{sentence: "a HelmRepository", extra: "none", objects: func(at harness.Place, version string) []string {
			return []string{helmRepository("charts", at), releaseOf("app", "charts", version, "")}
		}},
		{sentence: "a HelmRepository, repackaged with values files", extra: "prod", objects: func(at harness.Place, version string) []string {
			return []string{helmRepository("charts", at), releaseOf("app", "charts", version, ", valuesFiles: [values.yaml, values-prod.yaml]")}
		}},
		{sentence: "a HelmChart with chartRef", extra: "none", objects: func(at harness.Place, version string) []string {
			return []string{helmRepository("charts", at), helmChart("app", "charts", version, ""), releaseBy("app", "HelmChart", "app")}
		}},
		{sentence: "an OCIRepository", extra: "none", objects: func(at harness.Place, version string) []string {
			return []string{ociRepository("app", at, version), releaseBy("app", "OCIRepository", "app")}
		}},
		{sentence: "an OCIRepository, repackaged", extra: "none", objects: func(at harness.Place, version string) []string {
			return []string{repackaging("app", at, version, ""), releaseBy("app", "OCIRepository", "app")}
		}},
		{sentence: "an OCIRepository by a tag that is no version", extra: "none", floating: true, objects: func(at harness.Place, version string) []string {
			return []string{ociRepository("app", at, "stable-"+version), releaseBy("app", "OCIRepository", "app")}
		}},
		{sentence: "an OCIRepository after its release", extra: "none", objects: func(at harness.Place, version string) []string {
			return []string{releaseBy("app", "OCIRepository", "app"), ociRepository("app", at, version)}
		}},
		{sentence: "a HelmRepository after its release", extra: "none", objects: func(at harness.Place, version string) []string {
			return []string{releaseOf("app", "charts", version, ""), helmRepository("charts", at)}
		}},
	}
}

// TestSignedChartsAreDeployed: installed, upgraded, suspended and resumed, by every way.
func TestSignedChartsAreDeployed(t *testing.T) {
	t.Parallel()
	for _, way := range ways() {
		t.Run(way.sentence, func(t *testing.T) {
			t.Parallel()
			m := newTeam(t)
			at := m.own()
			if way.floating {
				at = m.floating()
			}
			publish := func(version, message string) {
				digest := at.Signed(t, version, message)
				if err := at.Registry.Tag(at.Repository(), "stable-"+version, digest); err != nil {
					t.Fatal(err)
				}
			}
			publish("1.0.0", "one")
			m.Apply(t, way.objects(at, "1.0.0")...)
			m.deploys(t, "app", "one "+way.extra)
			m.becomesReady(t, release("app", ""))

			publish("1.1.0", "two")
			m.Apply(t, way.objects(at, "1.1.0")...)
			m.deploys(t, "app", "two "+way.extra)
			m.becomesReady(t, release("app", ""))

			m.Patch(t, release("app", spec("suspend: true")))
			m.Patch(t, release("app", spec("values: {extra: resumed}")))
			m.Patch(t, release("app", spec("suspend: null")))
			m.deploys(t, "app", "two resumed")
			m.becomesReady(t, release("app", ""))
			if got := m.refused(t, helmController, release("app", "")); got > 0 {
				t.Errorf("%d writes of helm-controller were denied", got)
			}
		})
	}
}

// TestRollback: an upgrade to a signed chart that the API server refuses is rolled back.
func TestRollback(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	m.own().Signed(t, "1.0.0", "one")
	m.Apply(t, ociRepository("app", m.own(), "1.0.0"), release("app",
		spec("interval: 10m, install: {disableWait: true}, upgrade: {disableWait: true, remediation: {retries: 1, remediateLastFailure: true}}, "+
			"chartRef: {kind: OCIRepository, name: app}")))
	m.deploys(t, "app", "one none")

	m.own().Sign(t, m.own().PushTemplate(t, "1.1.0", "{apiVersion: v1, kind: ConfigMap, metadata: {name: app}, data: {message: {no: text}}}"))
	m.Apply(t, ociRepository("app", m.own(), "1.1.0"))
	harness.Eventually(t, func() string {
		if got := harness.Condition(m.Get(t, release("app", "")), "Remediated"); !strings.HasPrefix(got, "Remediated=True") {
			return got
		}
		return ""
	})
	if got := m.deployed(t, "app"); got != "one none" {
		t.Errorf("rolled back to %q", got)
	}
	m.own().Signed(t, "1.2.0", "three")
	m.Apply(t, ociRepository("app", m.own(), "1.2.0"))
	m.deploys(t, "app", "three none")
}

// TestMovedTag: a tag that moves to a chart without a signature is not deployed, and what runs
// stays; once that chart is signed, it is deployed without another action.
func TestMovedTag(t *testing.T) {
	t.Parallel()
	for _, way := range []way{ways()[3], ways()[4]} {
		t.Run(way.sentence, func(t *testing.T) {
			t.Parallel()
			m := newTeam(t)
			m.own().Signed(t, "1.0.0", "one")
			m.Apply(t, way.objects(m.own(), "1.0.0")...)
			m.deploys(t, "app", "one none")

			digest := m.own().Push(t, "1.0.0", "moved")
			m.reconcile(t, source("OCIRepository", "app", ""), "moved")
			harness.Eventually(t, func() string {
				if got := m.refused(t, sourceController, source("OCIRepository", "app", "")); got < 2 {
					return fmt.Sprintf("%d writes of source-controller were denied", got)
				}
				return ""
			})
			if got := m.deployed(t, "app"); got != "one none" {
				t.Errorf("deployed %q", got)
			}
			m.own().Sign(t, digest)
			m.deploys(t, "app", "moved none")
		})
	}
}

// TestResumedAfterItsTagMoved: the tag of a suspended source moves to a chart without a signature. The source cannot be resumed
// until that chart is signed, and what runs stays.
func TestResumedAfterItsTagMoved(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	m.own().Signed(t, "1.0.0", "one")
	m.Apply(t, ociRepository("app", m.own(), "1.0.0"), releaseBy("app", "OCIRepository", "app"))
	m.deploys(t, "app", "one none")
	m.Patch(t, source("OCIRepository", "app", spec("suspend: true")))

	digest := m.own().Push(t, "1.0.0", "moved")
	resume := source("OCIRepository", "app", spec("suspend: null"))
	if err := m.TryPatch(t, editor, m.Object(t, resume)); err == nil || !strings.Contains(err.Error(), "(SignatureMissing)") {
		t.Errorf("resumed: %v", err)
	}
	if got := m.deployed(t, "app"); got != "one none" {
		t.Errorf("deployed %q", got)
	}
	m.own().Sign(t, digest)
	m.Patch(t, resume)
	m.deploys(t, "app", "moved none")
}

// TestDrift: helm-controller corrects what was changed by hand.
func TestDrift(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	m.own().Signed(t, "1.0.0", "one")
	m.Apply(t, ociRepository("app", m.own(), "1.0.0"),
		helmRelease("app", "driftDetection: {mode: enabled}, chartRef: {kind: OCIRepository, name: app}"))
	m.deploys(t, "app", "one none")
	m.becomesReady(t, release("app", ""))
	m.Patch(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: app}, data: {message: drifted}}")
	m.reconcile(t, release("app", ""), "drifted")
	m.deploys(t, "app", "one none")
	m.becomesReady(t, release("app", ""))
}
