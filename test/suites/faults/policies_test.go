package faults_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
)

// acme is who must sign, and the only one who does.
func acme() sigstore.Identity {
	return sigstore.Identity{Issuer: "https://issuer.example", Subject: "release@acme.example"}
}

// policies are the ones in force where a test does not say otherwise: acme signs the charts below /acme and, by whatever
// version, those below /floating.
func (w *world) policies() policy.Input {
	return policy.Input{
		Identities: []v1alpha1.TrustedIdentity{{
			ObjectMeta: metav1.ObjectMeta{Name: "acme-release"},
			Spec:       v1alpha1.TrustedIdentitySpec{Keyless: &v1alpha1.Keyless{Issuer: acme().Issuer, Subject: acme().Subject}},
		}},
		Policies: []v1alpha1.ChartPolicy{
			w.policy("acme", "oci://HOST/acme/**", v1alpha1.PinningVersion),
			w.policy("floating", "oci://HOST/floating/**", v1alpha1.PinningFloating),
		},
	}
}

func (w *world) policy(name, charts string, pinning v1alpha1.Pinning) v1alpha1.ChartPolicy {
	return v1alpha1.ChartPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.ChartPolicySpec{
			Match:   v1alpha1.Match{Charts: []string{w.local(charts)}},
			Require: []v1alpha1.Requirement{{AnyOf: []string{"acme-release"}}},
			Pinning: pinning,
		},
	}
}

func fixedPolicies(t *testing.T, w *world) gate.Policies {
	t.Helper()
	return compiled(t, w.policies())
}

// compiled are policies that must compile.
func compiled(t *testing.T, in policy.Input) gate.Policies {
	t.Helper()
	set, report := policy.Compile(in)
	for name, err := range report.Policies {
		t.Fatalf("policy %s: %v", name, err)
	}
	return always{set}
}
