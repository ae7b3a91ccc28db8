package policy_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/fielderr"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/verdict"
)

const (
	issuer  = "https://issuer.example"
	podinfo = "oci://ghcr.io/acme/charts/podinfo"
	all     = "oci://ghcr.io/acme/**"
)

// noon is when most tests ask.
var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func digestOf(t testing.TB, digit string) chart.Digest {
	t.Helper()
	return must(chart.ParseDigest("sha256:" + strings.Repeat(digit, 64)))(t)
}

func locationOf(t testing.TB, s string) chart.Location {
	t.Helper()
	return must(chart.ParseLocation(s))(t)
}

// newKey returns a public key as a policy names it, and as a signer shows it.
func newKey(t testing.TB) (text string, signer evidence.Signer) {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	der := must(x509.MarshalPKIXPublicKey(key.Public()))(t)
	text = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	return text, evidence.Signer{Key: must(evidence.ParsePublicKeys(text))(t)[0].Fingerprint()}
}

// person is the identity, and the signer, "name@acme.example".
func person(name string) v1alpha1.TrustedIdentity {
	return identity(name, v1alpha1.TrustedIdentitySpec{Keyless: &v1alpha1.Keyless{Issuer: issuer, Subject: name + "@acme.example"}})
}

func signerNamed(name string) evidence.Signer {
	return evidence.Signer{Issuer: issuer, Subject: name + "@acme.example"}
}

func identity(name string, spec v1alpha1.TrustedIdentitySpec) v1alpha1.TrustedIdentity {
	return v1alpha1.TrustedIdentity{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}
}

// requiring is a policy about all of acme's charts; each argument is one requirement, of names with
// spaces between.
func requiring(name string, requirements ...string) v1alpha1.ChartPolicy {
	p := v1alpha1.ChartPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
	p.Spec.Match.Charts = []string{all}
	for _, names := range requirements {
		p.Spec.Require = append(p.Spec.Require, v1alpha1.Requirement{AnyOf: strings.Fields(names)})
	}
	return p
}

// at is a moment in a validity.
func at(t time.Time) *v1alpha1.Time { return v1alpha1.NewTime(t) }

func waiving(name, reason, until string) v1alpha1.ChartPolicy {
	p := requiring(name)
	p.Spec.AllowUnverified = &v1alpha1.AllowUnverified{Reason: reason, Until: until}
	return p
}

func changed(p v1alpha1.ChartPolicy, change func(*v1alpha1.ChartPolicySpec)) v1alpha1.ChartPolicy {
	change(&p.Spec)
	return p
}

// compile compiles what must be in order.
func compile(t testing.TB, in policy.Input) *policy.Set {
	t.Helper()
	set, report := policy.Compile(in)
	if len(report.Identities)+len(report.Policies) > 0 || report.ConfigMap != nil {
		t.Fatalf("not in order: %+v", report)
	}
	return set
}

func people(names ...string) []v1alpha1.TrustedIdentity {
	var identities []v1alpha1.TrustedIdentity
	for _, name := range names {
		identities = append(identities, person(name))
	}
	return identities
}

func names(policies []*policy.Policy) []string {
	var names []string
	for _, p := range policies {
		names = append(names, p.Name())
	}
	return names
}

// signature is logged evidence about the chart of digest aaa….
func signature(t testing.TB, signer evidence.Signer) evidence.Evidence {
	t.Helper()
	e := evidence.New(digestOf(t, "a"), evidence.ChartSignature, signer)
	e.Logged, e.TrustRoot = true, evidence.DefaultTrustRoot
	return e
}

// judge lets one policy judge evidence.
func judge(p *policy.Policy, digest chart.Digest, proven []evidence.Evidence, now time.Time) ([]verdict.Acceptance, []verdict.Unmet) {
	judgement := policy.MatchedOf(p).Judge(digest, now)
	judgement.Add(proven...)
	result := judgement.Results()[0]
	return result.Accepted, result.Unmet
}

// accepts lets one policy judge, at noon.
func accepts(p *policy.Policy, digest chart.Digest, proven []evidence.Evidence) ([]verdict.Acceptance, bool) {
	accepted, unmet := judge(p, digest, proven, noon)
	return accepted, len(unmet) == 0 && len(accepted) > 0
}

// accepted reports whether each of the policies accepts a chart with these signatures, and there is
// one at least.
func accepted(t testing.TB, policies []*policy.Policy, proven ...evidence.Evidence) bool {
	t.Helper()
	for _, p := range policies {
		if _, ok := accepts(p, digestOf(t, "a"), proven); !ok {
			return false
		}
	}
	return len(policies) > 0
}

func subjectOf(t testing.TB, location string, selector chart.Selector) verdict.Subject {
	t.Helper()
	return verdict.Subject{Kind: "HelmRelease", Name: "x", Reference: chart.Reference{Location: locationOf(t, location), Selector: selector}}
}

func version(t testing.TB, s string) chart.Selector {
	t.Helper()
	return must(chart.ParseFluxVersion(s))(t)
}

// texts are the mistakes as people read them.
func texts(errs field.ErrorList) string {
	if len(errs) == 0 {
		return ""
	}
	return fielderr.Join(errs).Error()
}
