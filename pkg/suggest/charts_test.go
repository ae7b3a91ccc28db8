package suggest_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/inventory"
)

// outline is what policies say, one a line: "PATTERNS not PATTERNS by IDENTITIES" or "… waived".
func outline(policies []v1alpha1.ChartPolicy) string {
	var lines []string
	for _, p := range policies {
		line := strings.Join(p.Spec.Match.Charts, " ")
		if len(p.Spec.Match.Exclude) > 0 {
			line += " not " + strings.Join(p.Spec.Match.Exclude, " ")
		}
		for _, r := range p.Spec.Require {
			line += " by " + strings.Join(r.AnyOf, " ")
		}
		if p.Spec.AllowUnverified != nil {
			line += " waived"
		}
		lines = append(lines, line+" "+string(p.Spec.Pinning))
	}
	return strings.ReplaceAll(strings.Join(lines, "\n")+"\n", " \n", "\n")
}

const acme = "acme-example" // signs as keyless(acme)

// TestWhoIsToBeTrusted: who must have signed a chart, by who has signed its uses. Of several signers of one use, a person
// must choose.
func TestWhoIsToBeTrusted(t *testing.T) {
	key := newKey(t)
	byKey := inventory.Signer{Key: key.Fingerprint(), TrustRoot: "default"}
	attested := inventory.Signer{Issuer: "https://issuer.example", Subject: "a-auditor", TrustRoot: "default", Predicate: "https://slsa.dev/provenance/v1"}
	unknown := attested
	unknown.Unverified = "made with a key that no policy trusts"
	web := func(version string, signers ...inventory.Signer) inventory.Row {
		return row("oci://ghcr.io/acme/web:"+version, signers...)
	}
	pinned := row("oci://registry.corp:5000/acme/web@"+digest, keyless(acme))
	floating := web("1.x", keyless(acme))
	floating.Pinning = chart.Floating.String()
	waived := web("1.x")
	waived.Pinning = chart.Floating.String()
	down := web("2.0.0")
	down.Digest, down.Message = "", "the registry is down"
	for _, c := range []struct {
		sentence string
		rows     []inventory.Row
		want     string
	}{
		{"a version", []inventory.Row{web("1.0.0", keyless(acme))}, "oci://ghcr.io/acme/web by acme-example\n"},
		{"a digest, at a registry with a port", []inventory.Row{pinned}, "oci://registry.corp:5000/acme/web by acme-example\n"},
		{"a range", []inventory.Row{floating}, "oci://ghcr.io/acme/web by acme-example Floating\n"},
		{"a range of a chart that nobody has signed", []inventory.Row{waived}, "oci://ghcr.io/acme/web waived\n"},
		{"one of two versions is not signed", []inventory.Row{web("1.0.0", keyless(acme)), web("2.0.0")}, "oci://ghcr.io/acme/web waived\n"},
		{"one of two versions could not be examined", []inventory.Row{web("1.0.0", keyless(acme)), down}, "oci://ghcr.io/acme/web by acme-example\n"},
		{"one who attests, and has not signed", []inventory.Row{web("1.0.0", keyless(acme), attested)}, "oci://ghcr.io/acme/web by acme-example\n"},
		{"one who attests, and nobody has signed", []inventory.Row{web("1.0.0", attested)}, "oci://ghcr.io/acme/web waived\n"},
		{"a stranger's attestation is no signature that could not be verified", []inventory.Row{web("1.0.0", unknown)}, "oci://ghcr.io/acme/web waived\n"},
		{"one who has signed all versions, beside another", []inventory.Row{web("1.0.0", keyless("a-partner"), keyless(acme)), web("2.0.0", keyless(acme))}, "\n"},
		{"different signers of two versions", []inventory.Row{web("1.0.0", keyless("b")), web("2.0.0", keyless("a"))}, "oci://ghcr.io/acme/web by a b\n"},
		{"a key beside certificates", []inventory.Row{web("1.0.0", byKey, keyless("b")), web("2.0.0", byKey, keyless("a"))}, "\n"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			in, text := written(t, c.rows, key)
			if diff := cmp.Diff(c.want, outline(in.Policies)); diff != "" {
				t.Errorf("(-want +got):\n%s\n%s", diff, text)
			}
		})
	}
}
