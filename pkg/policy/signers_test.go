package policy_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/policy"
)

// TestSigners: every key is recognized, once, whether its policy asks for a log entry or not; and a
// log entry is looked for under every trust root.
func TestSigners(t *testing.T) {
	t.Parallel()
	first, firstSigner := newKey(t)
	second, secondSigner := newKey(t)
	key := func(name, pem string, log v1alpha1.TransparencyLog) v1alpha1.TrustedIdentity {
		return identity(name, v1alpha1.TrustedIdentitySpec{Key: &v1alpha1.Key{PEM: pem, TransparencyLog: log}})
	}
	list := fmt.Sprintf("- {name: listed, charts: ['oci://ghcr.io/other/**'], key: {pem: %q}}", second)
	set := compile(t, policy.Input{
		Identities: append(people("release"), key("strict", first, v1alpha1.TransparencyLogRequired), key("mild", first, v1alpha1.TransparencyLogNotRequired)),
		Policies:   []v1alpha1.ChartPolicy{requiring("a", "strict release"), requiring("b", "mild")},
		ConfigMap:  &list,
	})
	roots := []string{evidence.DefaultTrustRoot, "corp"}
	got := set.Signers(roots)
	if diff := cmp.Diff([][]string{roots, roots}, [][]string{got.Keyless, got.KeylessUnlogged}); diff != "" {
		t.Errorf("certificates (-want +got):\n%s", diff)
	}
	var fingerprints []string
	for _, k := range got.Keys {
		fingerprints = append(fingerprints, k.Fingerprint())
		if !k.AllowUnlogged || !slices.Equal(k.TrustRoots, roots) {
			t.Errorf("%+v", k)
		}
	}
	want := []string{firstSigner.Key, secondSigner.Key}
	slices.Sort(want)
	slices.Sort(fingerprints)
	if diff := cmp.Diff(want, fingerprints); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

// TestNamed: a signer has the names of all identities that it is; those of the ConfigMap for their
// charts alone.
func TestNamed(t *testing.T) {
	t.Parallel()
	list := "- {name: listed, charts: ['oci://ghcr.io/acme/**'], keyless: {issuer: '" + issuer + "', subject: release@acme.example}}"
	set := compile(t, policy.Input{
		Identities: append(people("release", "audit"), identity("again", person("release").Spec)),
		Policies:   []v1alpha1.ChartPolicy{requiring("a", "release audit"), requiring("b", "again")},
		ConfigMap:  &list,
	})
	for _, c := range []struct {
		sentence string
		at       chart.Location
		signer   evidence.Signer
		want     []string
	}{
		{"all of them", locationOf(t, podinfo), signerNamed("release"), []string{"again", "listed", "release"}},
		{"the ConfigMap is about other charts", locationOf(t, "oci://quay.io/other/chart"), signerNamed("release"), []string{"again", "release"}},
		{"another signer", locationOf(t, podinfo), signerNamed("audit"), []string{"audit"}},
		{"a stranger", locationOf(t, podinfo), signerNamed("mallory"), nil},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, set.Named(c.at, signature(t, c.signer))); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
		})
	}
}
