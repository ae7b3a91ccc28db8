package attacks_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
)

// The signers of the corpus.
const (
	issuer  = "https://token.actions.githubusercontent.com"
	github  = "https://github.com/"
	release = "/.github/workflows/release.yaml@refs/heads/main"
)

func workflowOf(repository string) sigstore.Identity {
	return sigstore.Identity{
		Issuer: issuer, Subject: github + repository + release,
		Claims: map[string]string{"sourceRepositoryURI": github + repository},
	}
}

// acme may sign charts; mallory has a workflow too, but may not sign charts.
func acme() sigstore.Identity    { return workflowOf("acme/charts") }
func mallory() sigstore.Identity { return workflowOf("mallory/charts") }

// policies are those of teams: each owns the charts below oci://HOST/<team>/.
func policies(host, key string) policy.Input {
	in := policy.Input{Identities: identities(key)}
	for team, anyOf := range map[string]string{
		"charts": "acme", "mirror": "acme", "keys": "key", "unlogged": "key-unlogged", "any": "acme key-unlogged",
		"regexp": "acme-workflows", "billing": "billing", "floating": "acme", "digest": "acme", "both": "acme",
	} {
		p := chartPolicy(team, host, strings.Fields(anyOf))
		switch team {
		case "both":
			p.Spec.Require = append(p.Spec.Require, v1alpha1.Requirement{AnyOf: []string{"key-unlogged"}})
		case "floating":
			p.Spec.Pinning = v1alpha1.PinningFloating
		case "digest":
			p.Spec.Pinning = v1alpha1.PinningDigest
		}
		in.Policies = append(in.Policies, p)
	}
	waived := chartPolicy("waived", host, nil)
	waived.Spec.Require = nil
	waived.Spec.AllowUnverified = &v1alpha1.AllowUnverified{Reason: "moving", Until: "2099-12-31"}
	folders := chartPolicy("folders", host, nil)
	folders.Spec = waived.Spec
	folders.Spec.Match = v1alpha1.Match{
		Charts:  []string{"git://github.com/acme/apps//charts/*", "bucket://minio.acme.example/charts//*"},
		Exclude: []string{"git://github.com/acme/apps//charts/secret"},
	}
	classic := chartPolicy("classic", host, nil)
	classic.Spec = *waived.Spec.DeepCopy()
	classic.Spec.Match.Charts = []string{"https://waived.acme.example/**"}
	trial := chartPolicy("trial", host, []string{"acme"})
	trial.Spec.Mode = v1alpha1.ModeWarn
	in.Policies = append(in.Policies, waived, folders, classic, trial)
	// Hosts that rows spell in other ways. They get no request: the policies require a digest, and
	// rows give a tag.
	aliased := chartPolicy("aliased", host, []string{"acme"})
	aliased.Spec.Match.Charts = []string{"oci://docker.io/acme/**", "oci://registry.example.com/**"}
	aliased.Spec.Pinning = v1alpha1.PinningDigest
	in.Policies = append(in.Policies, aliased)
	return in
}

// TestGoodPoliciesAreNotWarnedOf: the policies of the corpus are those of honest teams.
func TestGoodPoliciesAreNotWarnedOf(t *testing.T) {
	people := must(thePeople())(t)
	in := policies("registry.acme.example", string(must(people.key.PEM())(t)))
	lint := policy.NewLinter(in, time.Now())
	for _, obj := range in.Identities {
		if found := lint.Identity(obj).Lines(); len(found) > 0 {
			t.Errorf("TrustedIdentity %s: %s", obj.Name, found)
		}
	}
	for _, obj := range in.Policies {
		if found := lint.Policy(obj).Lines(); len(found) > 0 {
			t.Errorf("ChartPolicy %s: %s", obj.Name, found)
		}
	}
}

func identities(key string) []v1alpha1.TrustedIdentity {
	return []v1alpha1.TrustedIdentity{
		keyless("acme", v1alpha1.Keyless{Issuer: issuer, Subject: acme().Subject, Claims: acme().Claims}),
		keyless("billing", v1alpha1.Keyless{Issuer: issuer, Subject: github + "acme/billing" + release}),
		keyless("acme-workflows", v1alpha1.Keyless{
			IssuerRegExp: `https://token[.]actions[.]githubusercontent[.]com`, SubjectRegExp: `https://github[.]com/acme/[^/]+` + release,
		}),
		identity("key", v1alpha1.TrustedIdentitySpec{Key: &v1alpha1.Key{PEM: key}}),
		identity("key-unlogged", v1alpha1.TrustedIdentitySpec{Key: &v1alpha1.Key{PEM: key, TransparencyLog: v1alpha1.TransparencyLogNotRequired}}),
	}
}

// brokenPolicies are those that chartgate's own webhook and the schema refuse. If they exist
// nevertheless, they deny what they match.
func brokenPolicies(host string) policy.Input {
	empty := chartPolicy("empty-anyof", host, nil)
	nothing := chartPolicy("empty-require", host, nil)
	nothing.Spec.Require = nil
	return policy.Input{
		Identities: []v1alpha1.TrustedIdentity{
			keyless("blank", v1alpha1.Keyless{}),
			keyless("any-subject", v1alpha1.Keyless{Issuer: issuer, SubjectRegExp: ".*"}),
			keyless("two-groups", v1alpha1.Keyless{Issuer: issuer, SubjectRegExp: "a)|(.+"}),
			identity("neither", v1alpha1.TrustedIdentitySpec{}),
		},
		Policies: []v1alpha1.ChartPolicy{
			empty, nothing, chartPolicy("blank", host, []string{"blank"}), chartPolicy("any-subject", host, []string{"any-subject"}),
			chartPolicy("two-groups", host, []string{"two-groups"}), chartPolicy("neither", host, []string{"neither"}),
			chartPolicy("unknown", host, []string{"unknown"}),
		},
	}
}

func chartPolicy(team, host string, anyOf []string) v1alpha1.ChartPolicy {
	p := v1alpha1.ChartPolicy{ObjectMeta: metav1.ObjectMeta{Name: team}}
	p.Spec.Match.Charts = []string{"oci://" + host + "/" + team + "/**"}
	p.Spec.Require = []v1alpha1.Requirement{{AnyOf: anyOf}}
	return p
}

func keyless(name string, spec v1alpha1.Keyless) v1alpha1.TrustedIdentity {
	return identity(name, v1alpha1.TrustedIdentitySpec{Keyless: &spec})
}

func identity(name string, spec v1alpha1.TrustedIdentitySpec) v1alpha1.TrustedIdentity {
	return v1alpha1.TrustedIdentity{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}
}
