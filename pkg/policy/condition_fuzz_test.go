package policy_test

import (
	"testing"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/policy"
)

// Whatever a platform team writes and a signer signs, a condition is refused when it is written or
// judged at every admission, the same each time, and never crashes the gate.
func FuzzCondition(f *testing.F) {
	f.Add(`predicate.scanner.result.critical == 0`, findings)
	f.Add(`predicate.packages.all(p, p.licenseConcluded in ["MIT"])`, spdx)
	f.Add(`now - timestamp(predicate.metadata.scanFinishedOn) < duration("168h")`, findings)
	f.Add(`predicate.matches("(a+)+$") || size(predicate) > 3 && has(predicate.x)`, `"aaaaaaaaaaaaaaaa!"`)
	f.Add(`signer.claims["x"] + digest == predicateType`, `{}`)
	f.Fuzz(func(t *testing.T, expression, predicate string) {
		obj := attested(sbom, cel(expression))
		set, report := policy.Compile(policy.Input{Identities: people("release"), Policies: []v1alpha1.ChartPolicy{obj}})
		if (report.Policies["acme"] == nil) != (policy.CheckPolicy(obj) == nil) {
			t.Fatal("what is written and what is compiled are judged differently")
		}
		p := set.For(locationOf(t, podinfo)).Policies()[0]
		proven := []evidence.Evidence{attestation(t, "release", sbom, predicate)}
		accepted, unmet := judge(p, digestOf(t, "a"), proven, noon)
		again, _ := judge(p, digestOf(t, "a"), proven, noon)
		switch {
		case len(accepted) != len(again):
			t.Fatal("judged differently the second time")
		case (len(accepted) > 0) == (len(unmet) > 0):
			t.Fatalf("%d acceptances, %d unmet", len(accepted), len(unmet))
		case len(accepted) > 0 && report.Policies["acme"] != nil:
			t.Fatal("a condition that was refused accepts")
		}
	})
}
