package argocd_test

import (
	"strings"
	"testing"

	"github.com/chartgate/chartgate/test/harness"
)

// evil is a chart that must not be deployed, by one of the ways in which Argo CD gets charts.
type evil struct {
	sentence string
	// publish publishes version 2.0.0 and returns the fields of spec that would deploy it.
	publish func(t *testing.T, m *team) string
	cause   string // of the denial, without the field
	field   string // of spec
}

func evils() []evil {
	return []evil{
		{"an unsigned chart, Helm-OCI", func(t *testing.T, m *team) string {
			m.own().Push(t, "2.0.0", "evil")
			return source(helmSource(m.own(), "2.0.0"))
		}, "SignatureMissing", "source"},
		{"an unsigned chart, native by tag", func(t *testing.T, m *team) string {
			m.own().Push(t, "2.0.0", "evil")
			return source(nativeSource(m.own(), "2.0.0"))
		}, "SignatureMissing", "source"},
		{"an unsigned chart, native by digest", func(t *testing.T, m *team) string {
			return source(nativeSource(m.own(), m.own().Push(t, "2.0.0", "evil")))
		}, "SignatureMissing", "source"},
		{"a chart that a stranger has signed, Helm-OCI", func(t *testing.T, m *team) string {
			m.forged().Signed(t, "2.0.0", "evil")
			return source(helmSource(m.own(), "2.0.0"))
		}, "SignatureInvalid", "source"},
		{"a chart that a stranger has signed, native by digest", func(t *testing.T, m *team) string {
			return source(nativeSource(m.own(), m.forged().Signed(t, "2.0.0", "evil")))
		}, "SignatureInvalid", "source"},
		{"an unsigned chart among several", func(t *testing.T, m *team) string {
			m.own().Push(t, "2.0.0", "evil")
			m.elsewhere().Signed(t, "1.0.0", "one")
			return "sources: [" + nativeSource(m.elsewhere(), "1.0.0", "helm: {releaseName: "+m.second()+"}") + ", " + helmSource(m.own(), "2.0.0") + "]"
		}, "SignatureMissing", "sources[1]"},
	}
}

// TestUnsignedCharts: no Application is given a chart without the signature that policies require,
// and no operation is, by whatever user.
func TestUnsignedCharts(t *testing.T) {
	t.Parallel()
	for _, evil := range evils() {
		t.Run(evil.sentence, func(t *testing.T) {
			t.Parallel()
			m := newTeam(t)
			spec := m.Object(t, m.application(evil.publish(t, m), automated))
			m.isDenied(t, "create", m.TryApply(t, spec), evil.cause+" spec."+evil.field)
			if m.Get(t, m.fields()) != nil {
				t.Error("the Application exists")
			}

			m.own().Signed(t, "1.0.0", "one")
			m.Apply(t, m.application(source(helmSource(m.own(), "1.0.0")), automated))
			m.deploys(t, "one none")
			m.isIn(t, "Synced Healthy")
			m.isDenied(t, "update", m.TryApply(t, spec), evil.cause+" spec."+evil.field)
			sync := copied(nested(spec.Object, "spec"), "source", "sources")
			if sources, several := sync["sources"]; several {
				sync["revisions"] = []any{revisionOf(sources.([]any)[0]), revisionOf(sources.([]any)[1])}
			} else {
				sync["revision"] = revisionOf(sync["source"])
			}
			for _, user := range []string{editor, server, controller} {
				m.isDenied(t, "operation of "+user, m.operate(t, user, sync), evil.cause+" operation.sync."+evil.field)
			}
			m.refresh(t, "hard")
			if got := m.deployed(t); got != "one none" {
				t.Errorf("deployed %q", got)
			}
		})
	}
}

func revisionOf(source any) any { return source.(map[string]any)["targetRevision"] }

// isDenied checks a denial by its cause.
func (m *team) isDenied(t *testing.T, what string, err error, cause string) {
	t.Helper()
	answer, err := harness.ReadAnswer(err)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if got := strings.Join(answer.Causes, "; "); got != cause {
		t.Errorf("%s: denied because of %q, want %q", what, got, cause)
	}
}
