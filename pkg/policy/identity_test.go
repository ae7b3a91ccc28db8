package policy_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/verdict"
)

func TestWhoAnIdentityIs(t *testing.T) {
	t.Parallel()
	const (
		workflow = "https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main"
		repo     = "https://github.com/acme/charts"
	)
	exact := v1alpha1.Keyless{Issuer: issuer, Subject: workflow}
	unlogged := v1alpha1.Keyless{Issuer: issuer, Subject: workflow, TransparencyLog: v1alpha1.TransparencyLogNotRequired}
	subjects := func(expression string) v1alpha1.Keyless {
		return v1alpha1.Keyless{Issuer: issuer, SubjectRegExp: expression}
	}
	by := func(subject string) evidence.Signer { return evidence.Signer{Issuer: issuer, Subject: subject} }
	claiming := func(claims map[string]string) evidence.Signer {
		return evidence.Signer{Issuer: issuer, Subject: workflow, Claims: claims}
	}
	source := v1alpha1.Keyless{Issuer: issuer, Subject: workflow, Claims: map[string]string{"sourceRepositoryURI": repo}}
	two := v1alpha1.Keyless{Issuer: issuer, Subject: workflow, Claims: map[string]string{"sourceRepositoryURI": repo, "buildTrigger": "push"}}
	for _, tc := range []struct {
		name     string
		identity v1alpha1.Keyless
		signer   evidence.Signer
		unlogged bool
		at       time.Time // that is proven; zero if no time is proven
		want     bool
	}{
		{name: "not in the log, and it need not be, with a proven time", identity: unlogged, signer: by(workflow), unlogged: true, at: noon, want: true},
		{name: "not in the log, and it need not be, but no time is proven", identity: unlogged, signer: by(workflow), unlogged: true},
		{name: "not in the log, though it must be, with a proven time", identity: exact, signer: by(workflow), unlogged: true, at: noon},
		{name: "in the log, and it need not be", identity: unlogged, signer: by(workflow), want: true},
		{name: "another subject, not in the log", identity: unlogged, signer: by(workflow + "-evil"), unlogged: true, at: noon},
		{name: "exactly the one", identity: exact, signer: by(workflow), want: true},
		{name: "the one, but not in the log", identity: exact, signer: by(workflow), unlogged: true},
		{name: "another subject", identity: exact, signer: by("https://github.com/evil/charts/.github/workflows/release.yaml@refs/heads/main")},
		{name: "another branch of the workflow", identity: exact, signer: by(strings.TrimSuffix(workflow, "main") + "evil")},
		{name: "a subject that begins like it", identity: exact, signer: by(workflow + "-evil")},
		{name: "a subject that ends like it", identity: exact, signer: by("https://evil.example/?" + workflow)},
		{name: "the subject in other capitals", identity: exact, signer: by(strings.ToUpper(workflow))},
		{name: "the subject and a newline", identity: exact, signer: by(workflow + "\n")},
		{name: "another issuer", identity: exact, signer: evidence.Signer{Issuer: "https://evil.example", Subject: workflow}},
		{name: "an issuer that begins like it", identity: exact, signer: evidence.Signer{Issuer: issuer + ".evil.example", Subject: workflow}},
		{name: "issuer and subject changed places", identity: exact, signer: evidence.Signer{Issuer: workflow, Subject: issuer}},
		{name: "no issuer", identity: exact, signer: evidence.Signer{Subject: workflow}},
		{name: "no subject", identity: exact, signer: evidence.Signer{Issuer: issuer}},
		{name: "nobody", identity: exact},
		{name: "a key that says it is the subject", identity: exact, signer: evidence.Signer{Key: "sha256:abc", Issuer: issuer, Subject: workflow}},
		{name: "an exact subject is no expression", identity: v1alpha1.Keyless{Issuer: issuer, Subject: ".+"}, signer: by(workflow)},
		{name: "an exact subject's dot is a dot", identity: v1alpha1.Keyless{Issuer: issuer, Subject: "a.b"}, signer: by("aXb")},

		{name: "an expression", identity: subjects(`https://github\.com/acme/.+`), signer: by(workflow), want: true},
		{name: "an expression for the issuer", identity: v1alpha1.Keyless{IssuerRegExp: `https://issuer\..+`, Subject: workflow}, signer: by(workflow), want: true},
		{name: "an expression for the issuer, found in a longer one", identity: v1alpha1.Keyless{IssuerRegExp: `https://issuer\.example`, Subject: workflow}, signer: evidence.Signer{Issuer: "https://evil.example/https://issuer.example", Subject: workflow}},
		{name: "substring: the expression is found in a longer subject", identity: subjects(`https://github\.com/acme`), signer: by("https://evil.example/?https://github.com/acme/x")},
		{name: "prefix: the expression is the begin of another owner", identity: subjects(`https://github\.com/acme`), signer: by("https://github.com/acme-evil/x")},
		{name: "suffix: the expression is the end of another subject", identity: subjects(`@acme\.example`), signer: by("eve@acme.example")},
		{name: "alternation: the anchors hold for the first alternative", identity: subjects("a@acme.example|b@acme.example"), signer: by("a@acme.example.evil.example")},
		{name: "alternation: the anchors hold for the last alternative", identity: subjects("a@acme.example|b@acme.example"), signer: by("evil-b@acme.example")},
		{name: "alternation: both alternatives", identity: subjects("a@acme.example|b@acme.example"), signer: by("b@acme.example"), want: true},
		{name: "newline: a dollar is not the end of the text", identity: subjects("(?m)a@acme.example$"), signer: by("a@acme.example\nevil")},
		{name: "newline: a circumflex is not its begin", identity: subjects("(?m)^a@acme.example"), signer: by("evil\na@acme.example")},
		{name: "newline: one behind the subject is too much", identity: subjects("a@acme.example"), signer: by("a@acme.example\n")},
		{name: "newline: a dot is not one", identity: subjects("a.+example"), signer: by("a@\nevil.example")},
		{name: "own anchors do no harm", identity: subjects("^a@acme.example$"), signer: by("a@acme.example"), want: true},
		{name: "dot: unescaped, it is any character, as its author wrote", identity: subjects("a@acme.example"), signer: by("a@acmeXexample"), want: true},
		{name: "dot: escaped, it is a dot", identity: subjects(`a@acme\.example`), signer: by("a@acmeXexample")},
		{name: "capitals count", identity: subjects("a@acme.example"), signer: by("A@acme.example")},
		{name: "capitals do not count if the author says so", identity: subjects("(?i)a@acme.example"), signer: by("A@ACME.example"), want: true},
		{name: "an expression for all does not take nobody", identity: subjects(".+"), signer: by("")},

		{name: "a claim", identity: source, signer: claiming(map[string]string{"sourceRepositoryURI": repo, "buildTrigger": "push"}), want: true},
		{name: "a claim of another value", identity: source, signer: claiming(map[string]string{"sourceRepositoryURI": repo + "-fork"})},
		{name: "a claim in other capitals", identity: source, signer: claiming(map[string]string{"sourceRepositoryURI": strings.ToUpper(repo)})},
		{name: "a claim by another name", identity: source, signer: claiming(map[string]string{"SourceRepositoryURI": repo})},
		{name: "an empty claim", identity: source, signer: claiming(map[string]string{"sourceRepositoryURI": ""})},
		{name: "no claims", identity: source, signer: by(workflow)},
		{name: "claims alone are nobody", identity: source, signer: evidence.Signer{Claims: map[string]string{"sourceRepositoryURI": repo}}},
		{name: "one of two claims", identity: two, signer: claiming(map[string]string{"sourceRepositoryURI": repo})},
		{name: "both claims", identity: two, signer: claiming(map[string]string{"sourceRepositoryURI": repo, "buildTrigger": "push"}), want: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			set := compile(t, policy.Input{
				Identities: []v1alpha1.TrustedIdentity{identity("release", v1alpha1.TrustedIdentitySpec{Keyless: &tc.identity})},
				Policies:   []v1alpha1.ChartPolicy{requiring("acme", "release")},
			})
			e := signature(t, tc.signer)
			e.Logged, e.SignedAt = !tc.unlogged, tc.at
			if got := accepted(t, set.For(locationOf(t, podinfo)).Policies(), e); got != tc.want {
				t.Errorf("accepted: %v", got)
			}
		})
	}
}

func TestWhoAKeyIs(t *testing.T) {
	t.Parallel()
	pem, signer := newKey(t)
	_, stranger := newKey(t)
	dressed := signer
	dressed.Issuer, dressed.Subject = "https://evil.example", "eve@evil.example"
	for _, tc := range []struct {
		name   string
		log    v1alpha1.TransparencyLog
		signer evidence.Signer
		logged bool
		want   bool
	}{
		{name: "the key, logged", signer: signer, logged: true, want: true},
		{name: "the key, unlogged: the log is required by default", signer: signer},
		{name: "the key, unlogged, log required", log: v1alpha1.TransparencyLogRequired, signer: signer},
		{name: "the key, logged, log required", log: v1alpha1.TransparencyLogRequired, signer: signer, logged: true, want: true},
		{name: "the key, unlogged, log not required", log: v1alpha1.TransparencyLogNotRequired, signer: signer, want: true},
		{name: "the key, logged, log not required", log: v1alpha1.TransparencyLogNotRequired, signer: signer, logged: true, want: true},
		{name: "another key", log: v1alpha1.TransparencyLogNotRequired, signer: stranger, logged: true},
		{name: "nobody", log: v1alpha1.TransparencyLogNotRequired, logged: true},
		{name: "a certificate", log: v1alpha1.TransparencyLogNotRequired, signer: signerNamed("release"), logged: true},
		{name: "a certificate whose subject is the fingerprint", log: v1alpha1.TransparencyLogNotRequired, signer: evidence.Signer{Subject: signer.Key, Issuer: signer.Key}, logged: true},
		{name: "the key in other capitals", log: v1alpha1.TransparencyLogNotRequired, signer: evidence.Signer{Key: strings.ToUpper(signer.Key)}, logged: true},
		{name: "whatever else a signer by key shows", signer: dressed, logged: true, want: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			key := &v1alpha1.Key{PEM: pem, TransparencyLog: tc.log}
			set := compile(t, policy.Input{
				Identities: []v1alpha1.TrustedIdentity{identity("release", v1alpha1.TrustedIdentitySpec{Key: key})},
				Policies:   []v1alpha1.ChartPolicy{requiring("acme", "release")},
			})
			e := signature(t, tc.signer)
			e.Logged = tc.logged
			if got := accepted(t, set.For(locationOf(t, podinfo)).Policies(), e); got != tc.want {
				t.Errorf("accepted: %v", got)
			}
		})
	}
}

func TestIdentitiesThatAreRefused(t *testing.T) {
	t.Parallel()
	pem, _ := newKey(t)
	keyless := func(k v1alpha1.Keyless) v1alpha1.TrustedIdentitySpec {
		return v1alpha1.TrustedIdentitySpec{Keyless: &k}
	}
	subject := func(expression string) v1alpha1.TrustedIdentitySpec {
		return keyless(v1alpha1.Keyless{Issuer: issuer, SubjectRegExp: expression})
	}
	claims := func(claims map[string]string) v1alpha1.TrustedIdentitySpec {
		return keyless(v1alpha1.Keyless{Issuer: issuer, Subject: "a", Claims: claims})
	}
	for _, tc := range []struct {
		name    string
		spec    v1alpha1.TrustedIdentitySpec
		because string
	}{
		{"nobody", v1alpha1.TrustedIdentitySpec{}, "spec: exactly one of keyless and key must be set"},
		{"a person and a key", v1alpha1.TrustedIdentitySpec{Keyless: &v1alpha1.Keyless{Issuer: issuer, Subject: "a"}, Key: &v1alpha1.Key{PEM: pem}}, "spec: exactly one of keyless and key must be set"},
		{"a person and half a log", keyless(v1alpha1.Keyless{Issuer: issuer, Subject: "a", TransparencyLog: "Sometimes"}), `spec.keyless.transparencyLog: Unsupported value: "Sometimes": supported values: "Required", "NotRequired"`},
		{"an empty person", keyless(v1alpha1.Keyless{}), "spec.keyless: exactly one of issuer and issuerRegExp must be set; spec.keyless: exactly one of subject and subjectRegExp must be set"},
		{"no issuer: anybody's mail provider could sign", keyless(v1alpha1.Keyless{Subject: "a"}), "spec.keyless: exactly one of issuer and issuerRegExp must be set"},
		{"no subject: any workflow could sign", keyless(v1alpha1.Keyless{Issuer: issuer}), "spec.keyless: exactly one of subject and subjectRegExp must be set"},
		{"claims alone", keyless(v1alpha1.Keyless{Claims: map[string]string{"issuer": issuer}}), "spec.keyless: exactly one of issuer and issuerRegExp must be set"},
		{"two issuers", keyless(v1alpha1.Keyless{Issuer: issuer, IssuerRegExp: issuer, Subject: "a"}), "spec.keyless: exactly one of issuer and issuerRegExp must be set"},
		{"two subjects", keyless(v1alpha1.Keyless{Issuer: issuer, Subject: "a", SubjectRegExp: "a"}), "spec.keyless: exactly one of subject and subjectRegExp must be set"},
		{"alternation escape", subject("a)|(b"), "spec.keyless.subjectRegExp: Invalid value: "},
		{"alternation escape with a group of its own", subject("a)|(?:b"), "spec.keyless.subjectRegExp: Invalid value: "},
		{"quotation that swallows the anchor", subject(`\Qa`), "spec.keyless.subjectRegExp: Invalid value: "},
		{"an escape that swallows the anchor", subject(`a\`), "spec.keyless.subjectRegExp: Invalid value: "},
		{"a class that swallows the anchor", subject("[a"), "spec.keyless.subjectRegExp: Invalid value: "},
		{"look-ahead, which RE2 lacks", subject("(?!evil).+"), "spec.keyless.subjectRegExp: Invalid value: "},
		{"an expression that takes nobody", subject(".*"), "matches the empty string"},
		{"an alternative that takes nobody", subject("a|"), "matches the empty string"},
		{"a bad expression for the issuer", keyless(v1alpha1.Keyless{IssuerRegExp: "(", Subject: "a"}), "spec.keyless.issuerRegExp: Invalid value: "},
		{"an expression for the issuer that takes nobody", keyless(v1alpha1.Keyless{IssuerRegExp: "a?", Subject: "a"}), "matches the empty string"},
		{"a claim that certificates do not have", claims(map[string]string{"repository": "x"}), `spec.keyless.claims: Unsupported value: "repository": supported values: "issuer", `},
		{"a claim in other capitals", claims(map[string]string{"SourceRepositoryURI": "x"}), `spec.keyless.claims: Unsupported value: "SourceRepositoryURI"`},
		{"a claim without a name", claims(map[string]string{"": "x"}), `spec.keyless.claims: Unsupported value: ""`},
		{"a claim without a value", claims(map[string]string{"sourceRepositoryURI": ""}), "spec.keyless.claims[sourceRepositoryURI]: Required value: the value must not be empty"},
		{"an empty key", v1alpha1.TrustedIdentitySpec{Key: &v1alpha1.Key{}}, "spec.key: exactly one of pem, secretRef and kms must be set"},
		{"a key in two places", v1alpha1.TrustedIdentitySpec{Key: &v1alpha1.Key{PEM: pem, KMS: "hashivault://a"}}, "spec.key: exactly one of pem, secretRef and kms must be set"},
		{"a key in no Secret", v1alpha1.TrustedIdentitySpec{Key: &v1alpha1.Key{SecretRef: &v1alpha1.SecretKeyReference{}}}, "spec.key.secretRef.name: Required value: a Secret must be named"},
		{"a validity without an end or a beginning", v1alpha1.TrustedIdentitySpec{Key: &v1alpha1.Key{PEM: pem}, Validity: &v1alpha1.Validity{}}, "spec.validity: at least one of notBefore and notAfter must be set"},
		{"a validity that ends before it begins", v1alpha1.TrustedIdentitySpec{Key: &v1alpha1.Key{PEM: pem}, Validity: &v1alpha1.Validity{NotBefore: at(noon), NotAfter: at(noon)}}, "spec.validity: notBefore must be before notAfter"},
		{"no key in the PEM", v1alpha1.TrustedIdentitySpec{Key: &v1alpha1.Key{PEM: "x"}}, "spec.key.pem: no PEM block found"},
		{"a bad key", v1alpha1.TrustedIdentitySpec{Key: &v1alpha1.Key{PEM: pem + pem}}, "spec.key.pem: the key"},
		{"a log that is neither required nor not", v1alpha1.TrustedIdentitySpec{Key: &v1alpha1.Key{PEM: pem, TransparencyLog: "no"}}, `spec.key.transparencyLog: Unsupported value: "no": supported values: "Required", "NotRequired"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			obj := identity("release", tc.spec)
			if errs := policy.CheckIdentity(obj); len(errs) == 0 || !strings.Contains(texts(errs), tc.because) {
				t.Errorf("got %v, want it to say %q", errs, tc.because)
			}
			set, report := policy.Compile(policy.Input{Identities: []v1alpha1.TrustedIdentity{obj}, Policies: []v1alpha1.ChartPolicy{requiring("acme", "release")}})
			if report.Identities["release"] == nil || report.Policies["acme"] == nil {
				t.Errorf("report: %+v", report)
			}
			wantBroken(t, set, podinfo, `spec.require[0].anyOf[0]: TrustedIdentity "release" is invalid: spec`)
		})
	}
}

// The names of claims are those of sigstore-go's certificate.Extensions, which package signature
// reports.
func TestClaimsAreTheCertificatesExtensions(t *testing.T) {
	t.Parallel()
	var want []string
	for field := range reflect.TypeFor[certificate.Extensions]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		want = append(want, name)
	}
	slices.Sort(want)
	check := func(claim string) error {
		spec := v1alpha1.TrustedIdentitySpec{Keyless: &v1alpha1.Keyless{Issuer: issuer, Subject: "a", Claims: map[string]string{claim: "x"}}}
		return policy.CheckIdentity(identity("release", spec)).ToAggregate()
	}
	_, list, _ := strings.Cut(check("unknown").Error(), "supported values: ")
	known := strings.Split(strings.ReplaceAll(list, `"`, ""), ", ")
	slices.Sort(known)
	if diff := cmp.Diff(want, known); diff != "" {
		t.Errorf("claims (-certificate.Extensions +policy):\n%s", diff)
	}
	for _, claim := range want {
		if err := check(claim); err != nil {
			t.Error(err)
		}
	}
}

func TestTwoIdentitiesOfOneNameAreNobody(t *testing.T) {
	t.Parallel()
	set, report := policy.Compile(policy.Input{
		Identities: []v1alpha1.TrustedIdentity{person("release"), person("other"), identity("release", person("eve").Spec)},
		Policies:   []v1alpha1.ChartPolicy{requiring("acme", "release")},
	})
	if diff := cmp.Diff([]string{"release"}, slices.Collect(maps.Keys(report.Identities))); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	wantBroken(t, set, podinfo, `metadata.name: Duplicate value: "release"`)
	for _, signer := range []string{"release", "eve"} {
		if accepted(t, set.For(locationOf(t, podinfo)).Policies(), signature(t, signerNamed(signer))) {
			t.Errorf("%s is accepted", signer)
		}
	}
}

// wantBroken: exactly one policy matches the chart; it denies it as invalid, and accepts nothing.
func wantBroken(t *testing.T, set *policy.Set, location, because string) {
	t.Helper()
	policies := set.For(locationOf(t, location)).Policies()
	if len(policies) != 1 {
		t.Fatalf("%q match %s", names(policies), location)
	}
	acceptance, denial := policies[0].Admissible(subjectOf(t, location, version(t, "1.0.0").At(digestOf(t, "a"))), noon)
	if acceptance != nil || denial == nil || denial.Reason != verdict.PolicyInvalid || !strings.Contains(denial.Summary, because) {
		t.Errorf("%s: got %+v, %+v, want it denied because %s", location, acceptance, denial, because)
	}
	if _, ok := accepts(policies[0], digestOf(t, "a"), []evidence.Evidence{signature(t, signerNamed("release"))}); ok {
		t.Errorf("%s: accepted", location)
	}
	if _, ok := accepts(policies[0], chart.Digest{}, nil); ok {
		t.Errorf("%s: nothing is accepted", location)
	}
}

// TestTimesThatAreNone: what the API server takes for a time and Go does not is kept as it is, and
// makes the identity invalid.
func TestTimesThatAreNone(t *testing.T) {
	for _, text := range []string{"2027-01-01t00:00:00z", "2027-01-01T00:00:00z", "2027-01-01T00:00:00+99:00", "soon"} {
		spec := decode[v1alpha1.TrustedIdentitySpec](t, `{keyless: {issuer: "https://issuer.example", subject: s}, validity: {notAfter: "`+text+`", notBefore: "2026-01-01T00:00:00Z"}}`)
		errs := policy.CheckIdentity(v1alpha1.TrustedIdentity{Spec: spec})
		if len(errs) != 1 || errs[0].Field != "spec.validity.notAfter" || !strings.Contains(errs[0].Error(), "is not a time such as") {
			t.Errorf("%s: %v", text, errs)
		}
		written := must(json.Marshal(spec.Validity))(t)
		if want := `{"notBefore":"2026-01-01T00:00:00Z","notAfter":"` + text + `"}`; string(written) != want {
			t.Errorf("written as %s", written)
		}
	}
	empty := decode[v1alpha1.TrustedIdentitySpec](t, `{keyless: {issuer: "https://issuer.example", subject: s}, validity: {notAfter: "", notBefore: "2026-01-01T00:00:00Z"}}`)
	if errs := policy.CheckIdentity(v1alpha1.TrustedIdentity{Spec: empty}); len(errs) != 1 || errs[0].Field != "spec.validity.notAfter" {
		t.Errorf("an empty text, without which the identity has no end: %v", errs)
	}
	status := must(json.Marshal(decode[v1alpha1.Status](t, `{conditions: [{type: Ready, lastTransitionTime: "2026-01-01t00:00:00z"}]}`)))(t)
	root := decode[v1alpha1.TrustRootStatus](t, `{version: 3, refreshed: "2026-01-01T00:00:00Z", digest: d, conditions: [{type: Ready, status: "True"}]}`)
	if string(status) != "{}" || root.Version != 3 || root.Digest != "d" || root.Refreshed == nil || len(root.Conditions) != 1 {
		t.Errorf("status %s, %+v", status, root)
	}
	if broken := decode[v1alpha1.TrustRootStatus](t, `{version: 3, refreshed: "2026-01-01t00:00:00z"}`); broken.Version != 0 {
		t.Errorf("%+v", broken)
	}
}
