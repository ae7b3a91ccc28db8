package harness

import (
	"testing"

	"github.com/chartgate/chartgate/pkg/policy"
)

// Policies are policies that do not change.
type Policies struct{ Set *policy.Set }

// Current implements gate.Policies.
func (p Policies) Current() *policy.Set { return p.Set }

// Compile compiles policies, all of which must be valid.
func Compile(t testing.TB, in policy.Input) Policies {
	t.Helper()
	set, report := policy.Compile(in)
	for name, err := range report.Identities {
		t.Fatalf("identity %s: %v", name, err)
	}
	for name, err := range report.Policies {
		t.Fatalf("policy %s: %v", name, err)
	}
	return Policies{set}
}
