package policy_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/policy"
)

func TestAPolicyMayBeWrittenBeforeItsIdentities(t *testing.T) {
	t.Parallel()
	obj := requiring("acme", "release audit", "release ghost audit")
	if err := policy.CheckPolicy(obj); err != nil {
		t.Errorf("refused: %v", err)
	}
	if diff := gocmp.Diff([]string{"audit", "ghost"}, policy.MissingIdentities(obj, []string{"release"})); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
	if missing := policy.MissingIdentities(obj, []string{"ghost", "audit", "release", "other"}); missing != nil {
		t.Errorf("missing: %q", missing)
	}
	for _, bad := range []v1alpha1.ChartPolicy{requiring("acme"), requiring("acme", ""), about("x"), waiving("acme", "x", "never")} {
		if policy.CheckPolicy(bad) == nil {
			t.Errorf("not refused: %+v", bad.Spec)
		}
	}
}

// TestMatchedIdentities: those whom the matching policies ask, and nobody else.
func TestMatchedIdentities(t *testing.T) {
	t.Parallel()
	text := `[{name: listed, charts: ["oci://ghcr.io/acme/**"], keyless: {issuer: "https://issuer.example", subject: s}}]`
	set := compile(t, policy.Input{
		Identities: people("release", "audit", "ops", "other"), ConfigMap: &text,
		Policies: []v1alpha1.ChartPolicy{
			requiring("acme", "release audit", "release"), requiring("more", "ops"), waiving("old", "moving", "2099-01-01"),
			changed(requiring("elsewhere", "other"), func(spec *v1alpha1.ChartPolicySpec) { spec.Match.Charts = []string{"oci://quay.io/**"} }),
		},
	})
	if diff := gocmp.Diff([]string{"audit", "listed", "ops", "release"}, set.For(locationOf(t, podinfo)).Identities()); diff != "" {
		t.Error(diff)
	}
	if asked := set.For(locationOf(t, "oci://gitlab.example/x")).Identities(); len(asked) > 0 {
		t.Errorf("a chart without a policy asks %v", asked)
	}
}

func TestTheReportNamesWhatIsNotInForce(t *testing.T) {
	t.Parallel()
	text := "- {}"
	set, report := policy.Compile(policy.Input{
		Identities: append(people("release"), identity("broken", v1alpha1.TrustedIdentitySpec{})),
		Policies:   []v1alpha1.ChartPolicy{requiring("good", "release"), requiring("ghost", "ghost"), requiring("broken", "broken")}, ConfigMap: &text,
	})
	got := map[string]string{"ConfigMap": report.ConfigMap.Error()}
	for name, err := range report.Identities {
		got["TrustedIdentity "+name] = err.Error()
	}
	for name, err := range report.Policies {
		got["ChartPolicy "+name] = err.Error()
	}
	want := map[string]string{
		"TrustedIdentity broken": "spec: exactly one of keyless and key must be set",
		"ChartPolicy ghost":      `spec.require[0].anyOf[0]: TrustedIdentity "ghost" does not exist`,
		"ChartPolicy broken":     `spec.require[0].anyOf[0]: TrustedIdentity "broken" is invalid: spec: exactly one of keyless and key must be set`,
		"ConfigMap":              `data[identities.yaml][0].name: Required value: each entry needs a name; data[identities.yaml][0].charts: Required value: at least one pattern must be set; data[identities.yaml][0]: exactly one of keyless and key must be set`,
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	if diff := gocmp.Diff("3 policies, 0 identities in the ConfigMap", set.Summary()); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
}

func TestWantedMergesWhatPoliciesCanUse(t *testing.T) {
	t.Parallel()
	first, firstSigner := newKey(t)
	second, secondSigner := newKey(t)
	key := func(name, pem string, log v1alpha1.TransparencyLog) v1alpha1.TrustedIdentity {
		return identity(name, v1alpha1.TrustedIdentitySpec{Key: &v1alpha1.Key{PEM: pem, TransparencyLog: log}})
	}
	identities := append(people("release", "audit"),
		key("first", first, ""), key("first-unlogged", first, v1alpha1.TransparencyLogNotRequired), key("second", second, v1alpha1.TransparencyLogRequired),
	)
	identities = append(identities, identity("release-unlogged", v1alpha1.TrustedIdentitySpec{Keyless: &v1alpha1.Keyless{
		Issuer: "i", Subject: "s", TransparencyLog: v1alpha1.TransparencyLogNotRequired,
	}}))
	type wanted struct {
		Keyless, Unlogged bool
		Keys              []string
	}
	one, two := "logged "+firstSigner.Key, "logged "+secondSigner.Key
	oneUnlogged := "unlogged " + firstSigner.Key
	for _, tc := range []struct {
		name     string
		policies []v1alpha1.ChartPolicy
		want     wanted
	}{
		{"nobody", nil, wanted{}},
		{"a person", []v1alpha1.ChartPolicy{requiring("p", "release")}, wanted{Keyless: true}},
		{"a person who need not log", []v1alpha1.ChartPolicy{requiring("p", "release-unlogged")}, wanted{Keyless: true, Unlogged: true}},
		{"a person who must log, and one who need not", []v1alpha1.ChartPolicy{requiring("p", "release"), requiring("q", "release-unlogged")}, wanted{Keyless: true, Unlogged: true}},
		{"two people", []v1alpha1.ChartPolicy{requiring("p", "release", "audit")}, wanted{Keyless: true}},
		{"a key", []v1alpha1.ChartPolicy{requiring("p", "first")}, wanted{Keys: []string{one}}},
		{"a person and two keys", []v1alpha1.ChartPolicy{requiring("p", "second release", "first")}, wanted{Keyless: true, Keys: []string{two, one}}},
		{"one key, by two policies", []v1alpha1.ChartPolicy{requiring("p", "first"), requiring("q", "first")}, wanted{Keys: []string{one}}},
		{"one key, of which one policy wants no log", []v1alpha1.ChartPolicy{requiring("p", "first"), requiring("q", "first-unlogged")}, wanted{Keys: []string{oneUnlogged}}},
		{"the same in the other order", []v1alpha1.ChartPolicy{requiring("p", "first-unlogged"), requiring("q", "first")}, wanted{Keys: []string{oneUnlogged}}},
		{"the log of one key is not another's matter", []v1alpha1.ChartPolicy{requiring("p", "first-unlogged second")}, wanted{Keys: []string{oneUnlogged, two}}},
		{"a waiver wants nobody", []v1alpha1.ChartPolicy{waiving("p", "x", "2030-01-01")}, wanted{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			set := compile(t, policy.Input{Identities: identities, Policies: tc.policies})
			w := set.For(locationOf(t, podinfo)).Wanted()
			got := wanted{Keyless: len(w.Keyless) > 0, Unlogged: len(w.KeylessUnlogged) > 0}
			for _, k := range w.Keys {
				got.Keys = append(got.Keys, map[bool]string{true: "unlogged ", false: "logged "}[k.AllowUnlogged]+k.Fingerprint())
				if k.Key() == nil {
					t.Error("a key without its key")
				}
			}
			if diff := gocmp.Diff(tc.want, got); diff != "" {
				t.Errorf("wanted (-want +got):\n%s", diff)
			}
		})
	}
}

// Evidence that satisfied one fingerprint is remembered for it: other identities must have another
// one.
func TestFingerprintsOfOtherIdentitiesDiffer(t *testing.T) {
	t.Parallel()
	first, _ := newKey(t)
	second, _ := newKey(t)
	keyless := func(k v1alpha1.Keyless) v1alpha1.TrustedIdentity {
		return identity("release", v1alpha1.TrustedIdentitySpec{Keyless: &k})
	}
	key := func(pem string, log v1alpha1.TransparencyLog) v1alpha1.TrustedIdentity {
		return identity("release", v1alpha1.TrustedIdentitySpec{Key: &v1alpha1.Key{PEM: pem, TransparencyLog: log}})
	}
	claims := func(claims map[string]string) v1alpha1.TrustedIdentity {
		return keyless(v1alpha1.Keyless{Issuer: "i", Subject: "s", Claims: claims})
	}
	base := []v1alpha1.ChartPolicy{requiring("p", "release")}
	seen := map[string]string{}
	check := func(name string, release v1alpha1.TrustedIdentity, policies []v1alpha1.ChartPolicy) {
		t.Helper()
		in := policy.Input{Identities: append(people("audit", "breakglass"), release), Policies: policies}
		got := compile(t, in).For(locationOf(t, podinfo)).Fingerprint()
		if again := compile(t, in).For(locationOf(t, podinfo)).Fingerprint(); again != got {
			t.Errorf("%s: %s, and then %s", name, got, again)
		}
		if other, twice := seen[got]; twice {
			t.Errorf("%q has the fingerprint of %q", name, other)
		}
		seen[got] = name
	}
	plain := keyless(v1alpha1.Keyless{Issuer: "i", Subject: "s"})
	check("exact", plain, base)
	check("another subject", keyless(v1alpha1.Keyless{Issuer: "i", Subject: "t"}), base)
	check("another issuer", keyless(v1alpha1.Keyless{Issuer: "j", Subject: "s"}), base)
	check("changed places", keyless(v1alpha1.Keyless{Issuer: "s", Subject: "i"}), base)
	check("an expression for the subject", keyless(v1alpha1.Keyless{Issuer: "i", SubjectRegExp: "s"}), base)
	check("an expression for the issuer", keyless(v1alpha1.Keyless{IssuerRegExp: "i", Subject: "s"}), base)
	check("an exact subject that looks like an anchored expression", keyless(v1alpha1.Keyless{Issuer: "i", Subject: `\A(?:s)\z`}), base)
	check("a subject that holds the text of an issuer", keyless(v1alpha1.Keyless{Issuer: "b, issuer c", Subject: "a"}), base)
	check("an issuer that holds the text of a subject", keyless(v1alpha1.Keyless{Issuer: "c", Subject: "a, issuer b"}), base)
	check("an issuer that holds the text of a claim", keyless(v1alpha1.Keyless{Issuer: "i, buildTrigger push", Subject: "s"}), base)
	check("a claim", claims(map[string]string{"buildTrigger": "push"}), base)
	check("another value", claims(map[string]string{"buildTrigger": "pull"}), base)
	check("another claim", claims(map[string]string{"issuer": "push"}), base)
	check("two claims", claims(map[string]string{"buildTrigger": "push", "issuer": "x"}), base)
	check("a claim that holds the text of another", claims(map[string]string{"buildTrigger": "push, issuer x"}), base)
	check("a key", key(first, ""), base)
	check("another key", key(second, ""), base)
	check("exact, without the log", keyless(v1alpha1.Keyless{Issuer: "i", Subject: "s", TransparencyLog: v1alpha1.TransparencyLogNotRequired}), base)
	check("a key without the log", key(first, v1alpha1.TransparencyLogNotRequired), base)
	check("another name of the policy", plain, []v1alpha1.ChartPolicy{requiring("q", "release")})
	check("one of two", plain, []v1alpha1.ChartPolicy{requiring("p", "release audit")})
	check("both", plain, []v1alpha1.ChartPolicy{requiring("p", "release", "audit")})
	check("one of three", plain, []v1alpha1.ChartPolicy{requiring("p", "release audit breakglass")})
	check("one, and one of two", plain, []v1alpha1.ChartPolicy{requiring("p", "release", "audit breakglass")})
	check("one of two, and one", plain, []v1alpha1.ChartPolicy{requiring("p", "release audit", "breakglass")})
	check("two policies", plain, []v1alpha1.ChartPolicy{requiring("p", "release"), requiring("q", "audit")})
	check("two policies with each other's identities", plain, []v1alpha1.ChartPolicy{requiring("p", "audit"), requiring("q", "release")})
	check("no policy", plain, nil)
}

// TestNobodyElseIsAccepted: for random policies and evidence, every proof that Accept takes is a
// signature of the chart by a signer that the policy names, by a second implementation of the rule;
// and every requirement has its proof.
func TestNobodyElseIsAccepted(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 6))
	pick := func(texts ...string) string { return texts[random.IntN(len(texts))] }
	var pems []string
	var keys []evidence.Signer
	for range 2 {
		pem, signer := newKey(t)
		pems, keys = append(pems, pem), append(keys, signer)
	}
	someSpec := func() (spec v1alpha1.TrustedIdentitySpec) {
		if random.IntN(3) == 0 {
			spec.Key = &v1alpha1.Key{PEM: pems[random.IntN(2)], TransparencyLog: v1alpha1.TransparencyLog(pick("", "Required", "NotRequired"))}
		}
		if spec.Key == nil {
			spec.Keyless = &v1alpha1.Keyless{Issuer: pick("i", "i", "j"), Subject: pick("s", "s", "st")}
			if random.IntN(3) == 0 {
				spec.Keyless.Subject, spec.Keyless.SubjectRegExp = "", pick("s", "s.?", "s|t")
			}
			if random.IntN(4) == 0 {
				spec.Keyless.Claims = map[string]string{pick("buildTrigger", "issuer"): "push"}
			}
			spec.Keyless.TransparencyLog = v1alpha1.TransparencyLog(pick("", "Required", "NotRequired"))
		}
		spec.TrustRoot = pick("", "", "", "", "default", "default", "corp")
		switch random.IntN(12) {
		case 0:
			spec.Validity = &v1alpha1.Validity{NotBefore: at(noon)}
		case 1:
			spec.Validity = &v1alpha1.Validity{NotAfter: at(noon)}
		}
		if random.IntN(20) > 0 {
			return spec
		}
		switch random.IntN(8) { // one that does not compile
		case 0:
			spec = v1alpha1.TrustedIdentitySpec{}
		case 1:
			spec = v1alpha1.TrustedIdentitySpec{Key: &v1alpha1.Key{PEM: pems[0]}, Keyless: &v1alpha1.Keyless{Issuer: "i", Subject: "s"}}
		case 2:
			spec = v1alpha1.TrustedIdentitySpec{Key: &v1alpha1.Key{PEM: pems[0], TransparencyLog: "bad"}}
		case 3:
			spec = v1alpha1.TrustedIdentitySpec{Key: &v1alpha1.Key{PEM: "bad"}}
		case 4:
			spec = v1alpha1.TrustedIdentitySpec{Keyless: &v1alpha1.Keyless{Issuer: pick("i", ""), Subject: ""}}
		case 5:
			spec = v1alpha1.TrustedIdentitySpec{Keyless: &v1alpha1.Keyless{Issuer: "", Subject: "s"}}
		case 6:
			spec = v1alpha1.TrustedIdentitySpec{Keyless: &v1alpha1.Keyless{Issuer: "i", SubjectRegExp: pick(".*", "(", "s)|(t")}}
		default:
			spec = v1alpha1.TrustedIdentitySpec{Keyless: &v1alpha1.Keyless{Issuer: "i", Subject: "s", Claims: map[string]string{pick("bad", "issuer"): ""}}}
		}
		return spec
	}
	someSigner := func() evidence.Signer {
		if random.IntN(3) == 0 {
			return keys[random.IntN(len(keys))]
		}
		return evidence.Signer{Issuer: pick("", "i", "i", "j"), Subject: pick("", "s", "st", "ss", "t", "s\n"), Claims: map[string]string{pick("buildTrigger", "issuer"): pick("push", "")}}
	}
	someEvidence := func() evidence.Evidence {
		e := evidence.New(digestOf(t, pick("a", "a", "a", "b")), evidence.Statement(1+random.IntN(6)/5), someSigner())
		e.Logged, e.TrustRoot = random.IntN(4) > 0, pick("default", "default", "default", "default", "default", "corp", "")
		e.SignedAt = []time.Time{{}, noon, noon.Add(-time.Second), noon.Add(time.Second)}[random.IntN(4)]
		return e
	}
	identityNames := []string{"a", "b", "c", "d"}
	outcomes := map[bool]int{}
	for range 20_000 {
		var in policy.Input
		specs := map[string]v1alpha1.TrustedIdentitySpec{}
		for _, name := range identityNames[:4-random.IntN(16)/15] {
			specs[name] = someSpec()
			in.Identities = append(in.Identities, identity(name, specs[name]))
		}
		obj := requiring("p")
		for range (1 + random.IntN(12)) / 5 {
			var anyOf []string
			for range (3 + random.IntN(10)) / 4 {
				anyOf = append(anyOf, pick(identityNames...))
			}
			requirement := v1alpha1.Requirement{AnyOf: anyOf}
			if random.IntN(4) == 0 {
				requirement.Attestation = &v1alpha1.Attestation{PredicateType: provenance}
			}
			obj.Spec.Require = append(obj.Spec.Require, requirement)
		}
		in.Policies = []v1alpha1.ChartPolicy{obj}
		set, report := policy.Compile(in)
		var proven []evidence.Evidence
		for range random.IntN(8) {
			e := someEvidence()
			if e.Statement == evidence.Attestation {
				e.Predicate = pick(provenance, provenance, sbom)
			}
			proven = append(proven, e)
		}
		digest := digestOf(t, "a")
		want := len(obj.Spec.Require) > 0 && report.Policies["p"] == nil
		for _, requirement := range obj.Spec.Require {
			want = want && slices.ContainsFunc(proven, func(e evidence.Evidence) bool {
				return slices.ContainsFunc(requirement.AnyOf, func(name string) bool { return isWanted(requirement, digest, e) && isBy(specs[name], e, pems, keys) })
			})
		}
		for _, p := range set.For(locationOf(t, podinfo)).Policies() {
			acceptance, ok := accepts(p, digest, proven)
			outcomes[ok]++
			if ok != want {
				t.Fatalf("accepted: %v\nidentities: %s\nrequire: %+v\nevidence: %+v", ok, describe(specs), obj.Spec.Require, proven)
			}
			if ok && len(acceptance) != len(obj.Spec.Require) {
				t.Fatalf("%d acceptances for %d requirements", len(acceptance), len(obj.Spec.Require))
			}
			for i, a := range acceptance {
				if ok && !isWanted(obj.Spec.Require[i], digest, a.Evidence) {
					t.Fatalf("requirement %d is satisfied by %+v", i, a)
				}
				if !(isBy(specs[a.Identity], a.Evidence, pems, keys)) {
					t.Fatalf("accepted by %+v", a)
				}
			}
		}
	}
	if outcomes[true] < 500 || outcomes[false] < 500 {
		t.Errorf("%d accepted, %d not: the comparison says little", outcomes[true], outcomes[false])
	}
}

// isWanted states once more what a requirement asks for.
func isWanted(r v1alpha1.Requirement, digest chart.Digest, e evidence.Evidence) bool {
	if r.Attestation == nil {
		return e.Signs(digest)
	}
	return e.Digest() == digest && e.Statement == evidence.Attestation && e.Predicate == r.Attestation.PredicateType
}

// isBy is a second implementation of how an identity matches a signer, and when. Expressions are
// those of the test above.
func isBy(spec v1alpha1.TrustedIdentitySpec, e evidence.Evidence, pems []string, keys []evidence.Signer) bool {
	proven := e.TrustRoot == cmp.Or(spec.TrustRoot, "default")
	if v := spec.Validity; v != nil {
		early := v.NotBefore != nil && e.SignedAt.Before(v.NotBefore.Time.Time)
		late := v.NotAfter != nil && e.SignedAt.After(v.NotAfter.Time.Time)
		if e.SignedAt.IsZero() || !proven || early || late {
			return false
		}
	}
	e.Logged = e.Logged && proven
	switch {
	case (spec.Key == nil) == (spec.Keyless == nil):
		return false
	case spec.Key != nil:
		i := slices.Index(pems, spec.Key.PEM)
		return i >= 0 && e.Signer.Key == keys[i].Key && (e.Logged || spec.Key.TransparencyLog == v1alpha1.TransparencyLogNotRequired)
	}
	who := *spec.Keyless
	subjects := map[string][]string{"": {who.Subject}, "s": {"s"}, "s.?": {"s", "st", "ss"}, "s|t": {"s", "t"}}[who.SubjectRegExp]
	for name, value := range who.Claims {
		if value == "" || e.Signer.Claims[name] != value {
			return false
		}
	}
	dated := who.TransparencyLog == v1alpha1.TransparencyLogNotRequired && proven && !e.SignedAt.IsZero()
	return e.Signer.Key == "" && (e.Logged || dated) && who.Issuer != "" && e.Signer.Issuer == who.Issuer && e.Signer.Subject != "" && slices.Contains(subjects, e.Signer.Subject)
}

func describe(specs map[string]v1alpha1.TrustedIdentitySpec) string {
	var b strings.Builder
	for name, spec := range specs {
		fmt.Fprintf(&b, "%s: keyless %+v, key %+v; ", name, spec.Keyless, spec.Key)
	}
	return b.String()
}
