package argocd_test

import (
	"fmt"
	"strings"
	"testing"
)

// forgery is a way to have Argo CD deploy what spec does not name, open to everyone who may edit an
// Application. TestForgeriesWithoutChartgate shows that each of them works.
type forgery struct {
	sentence string
	// creates says that the Application does not exist before.
	creates bool
	// writes are the requests, each with fields beside spec.
	writes func(*team) []string
	// causes of each request's denial; "" for one that is admitted.
	causes []string
}

// Fields of an Application. What a state of before may hold is removed.
const (
	benign = "operation: {sync: {revision: 1.0.0}}"
	fresh  = "finishedAt: null, syncResult: null"
)

func forgeries() []forgery {
	const (
		unsigned = "SignatureMissing operation.sync.source"
		resumed  = "SignatureMissing status.operationState.syncResult.source"
		recorded = "SignatureMissing status.operationState.operation.sync.source"
	)
	one := func(fields func(*team) string) func(*team) []string {
		return func(m *team) []string { return []string{fields(m)} }
	}
	return []forgery{
		{"an operation with another source", false, one(func(m *team) string {
			return "operation: {sync: {" + m.evil() + "}}"
		}), []string{unsigned}},
		{"an operation with manifests of its own", false, one(func(m *team) string {
			return "operation: {sync: {revision: 1.0.0, " + m.manifests() + "}}"
		}), []string{"Unsupported operation.sync.manifests"}},
		{"a benign operation, and a running one whose result has another source", false, one(func(m *team) string {
			return join(benign, running("finishedAt: null", benign, "syncResult: {"+m.evil()+", resources: null}"))
		}), []string{resumed}},
		{"a benign operation, and a running one that asked for another source", false, one(func(m *team) string {
			return join(benign, running(fresh, "operation: {sync: {"+m.evil()+"}}"))
		}), []string{recorded}},
		{"a benign operation, and one that is to be tried again with another source", false, one(func(m *team) string {
			return join(benign, running("finishedAt: '2026-01-01T00:00:00Z'", "operation: {sync: {"+m.evil()+"}, retry: {limit: 5}}"))
		}), []string{recorded}},
		{"a benign operation, and a running one with manifests of its own", false, one(func(m *team) string {
			return join(benign, running(fresh, "operation: {sync: {revision: 1.0.0, "+m.manifests()+"}}"))
		}), []string{"Unsupported status.operationState.operation.sync.manifests"}},
		{"a running operation whose result has another source, and a benign operation in a second request", false, func(m *team) []string {
			return []string{running("finishedAt: null", benign, "syncResult: {"+m.evil()+", resources: null}"), benign}
		}, []string{resumed, ""}},
		{"a new Application with an operation that has another source", true, one(func(m *team) string {
			return "operation: {sync: {" + m.evil() + "}}"
		}), []string{unsigned}},
		{"a new Application with a running operation whose result has another source", true, one(func(m *team) string {
			return join(benign, running(benign, "syncResult: {"+m.evil()+"}"))
		}), []string{resumed}},
	}
}

// evil are the fields of a sync of an unsigned chart.
func (m *team) evil() string {
	return source(helmSource(m.elsewhere(), "1.0.0")) + ", revision: 1.0.0"
}

// manifests is the field of a sync that replaces what the chart renders to.
func (m *team) manifests() string {
	return fmt.Sprintf(`manifests: ['{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":%q},"data":{"message":"evil","extra":"none"}}']`, m.Name)
}

func running(fields ...string) string {
	return "status: {operationState: {phase: Running, startedAt: '2026-01-01T00:00:00Z', " + join(fields...) + "}}"
}

func join(fields ...string) string { return strings.Join(fields, ", ") }

// prepare deploys a signed chart, unless the forgery creates the Application.
func (f forgery) prepare(t *testing.T) *team {
	t.Helper()
	m := newTeam(t)
	m.own().Signed(t, "1.0.0", "one")
	m.elsewhere().Push(t, "1.0.0", "evil")
	if !f.creates {
		m.Apply(t, m.application(source(helmSource(m.own(), "1.0.0"))))
		m.syncs(t)
		m.deploys(t, "one none")
		m.isIn(t, "Synced Healthy")
	}
	return m
}

// attack makes the requests as the editor, and returns what the API server answers.
func (f forgery) attack(t *testing.T, m *team) []error {
	t.Helper()
	var answers []error
	for _, fields := range f.writes(m) {
		if f.creates {
			created := m.Object(t, m.application(source(helmSource(m.own(), "1.0.0"))))
			for name, value := range m.Object(t, m.fields(fields)).Object {
				if name == "operation" || name == "status" {
					created.Object[name] = value
				}
			}
			answers = append(answers, m.TryCreate(t, created))
			continue
		}
		answers = append(answers, m.TryPatch(t, editor, m.Object(t, m.fields(fields))))
	}
	return answers
}

// TestForgeries: none of them deploys anything.
func TestForgeries(t *testing.T) {
	t.Parallel()
	for _, forgery := range forgeries() {
		t.Run(forgery.sentence, func(t *testing.T) {
			t.Parallel()
			m := forgery.prepare(t)
			for i, err := range forgery.attack(t, m) {
				if cause := forgery.causes[i]; cause != "" {
					m.isDenied(t, "the attack", err, cause)
				} else if err != nil {
					t.Error(err)
				}
			}
			if forgery.creates {
				if m.Get(t, m.fields()) != nil {
					t.Error("the Application exists")
				}
				return
			}
			m.refresh(t, "normal")
			if got := m.deployed(t); got != "one none" {
				t.Errorf("deployed %q", got)
			}
			if got := m.Refused(t, controller, m.Object(t, m.fields())); got > 0 {
				t.Errorf("%d writes of Argo CD were denied", got)
			}
			// It still works.
			m.own().Signed(t, "1.1.0", "two")
			m.Apply(t, m.application(source(helmSource(m.own(), "1.1.0"))))
			m.syncs(t)
			m.deploys(t, "two none")
		})
	}
}
