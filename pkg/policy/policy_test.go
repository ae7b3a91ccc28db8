package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/verdict"
)

func TestWhoseSignaturesSatisfy(t *testing.T) {
	t.Parallel()
	excluding := func(pattern string) v1alpha1.ChartPolicy {
		return changed(requiring("acme", "release"), func(s *v1alpha1.ChartPolicySpec) { s.Match.Exclude = []string{pattern} })
	}
	for _, tc := range []struct {
		name     string
		policies []v1alpha1.ChartPolicy
		signers  string
		want     bool
	}{
		{"the one who is wanted", []v1alpha1.ChartPolicy{requiring("acme", "release")}, "release", true},
		{"nobody", []v1alpha1.ChartPolicy{requiring("acme", "release")}, "", false},
		{"a stranger", []v1alpha1.ChartPolicy{requiring("acme", "release")}, "eve", false},
		{"strangers beside the one who is wanted", []v1alpha1.ChartPolicy{requiring("acme", "release")}, "eve release mallory", true},
		{"one of several", []v1alpha1.ChartPolicy{requiring("acme", "release breakglass")}, "breakglass", true},
		{"none of several", []v1alpha1.ChartPolicy{requiring("acme", "release breakglass")}, "audit", false},
		{"one of two requirements", []v1alpha1.ChartPolicy{requiring("acme", "release", "audit")}, "release", false},
		{"the other of two requirements", []v1alpha1.ChartPolicy{requiring("acme", "release", "audit")}, "audit", false},
		{"both requirements", []v1alpha1.ChartPolicy{requiring("acme", "release", "audit")}, "audit release", true},
		{"both requirements by one signer", []v1alpha1.ChartPolicy{requiring("acme", "release breakglass", "audit breakglass")}, "breakglass", true},
		{"two signatures for the first of two requirements", []v1alpha1.ChartPolicy{requiring("acme", "release breakglass", "audit")}, "release breakglass", false},
		{"one of two policies", []v1alpha1.ChartPolicy{requiring("a", "release"), requiring("b", "audit")}, "release", false},
		{"the other of two policies", []v1alpha1.ChartPolicy{requiring("a", "release"), requiring("b", "audit")}, "audit", false},
		{"both policies", []v1alpha1.ChartPolicy{requiring("a", "release"), requiring("b", "audit")}, "release audit", true},
		{"a policy about other charts asks for nothing", []v1alpha1.ChartPolicy{requiring("a", "release"), changed(requiring("b", "audit"), func(s *v1alpha1.ChartPolicySpec) { s.Match.Charts = []string{"oci://ghcr.io/other/**"} })}, "release", true},
		{"a policy that excludes the chart asks for nothing, and allows nothing", []v1alpha1.ChartPolicy{excluding(podinfo)}, "release", false},
		{"a policy that excludes others", []v1alpha1.ChartPolicy{excluding("oci://ghcr.io/acme/charts/other")}, "release", true},
		{"a policy that excludes what is below", []v1alpha1.ChartPolicy{excluding(podinfo + "/**")}, "release", true},
		{"an exclusion from one policy is none from another", []v1alpha1.ChartPolicy{excluding(podinfo), requiring("b", "audit")}, "audit", true},
		{"no policy", nil, "release", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			set := compile(t, policy.Input{Identities: people("release", "breakglass", "audit"), Policies: tc.policies})
			var proven []evidence.Evidence
			for _, name := range strings.Fields(tc.signers) {
				proven = append(proven, signature(t, signerNamed(name)))
			}
			if got := accepted(t, set.For(locationOf(t, podinfo)).Policies(), proven...); got != tc.want {
				t.Errorf("accepted: %v", got)
			}
		})
	}
}

func TestEvidenceThatIsNoSignatureOfTheChart(t *testing.T) {
	t.Parallel()
	set := compile(t, policy.Input{Identities: people("release"), Policies: []v1alpha1.ChartPolicy{requiring("acme", "release")}})
	p := set.For(locationOf(t, podinfo)).Policies()[0]
	digest, signer := digestOf(t, "a"), signerNamed("release")
	proven := func(digest chart.Digest, statement evidence.Statement) []evidence.Evidence {
		e := evidence.New(digest, statement, signer)
		e.Logged, e.TrustRoot = true, evidence.DefaultTrustRoot
		return []evidence.Evidence{e}
	}
	for _, tc := range []struct {
		name     string
		about    chart.Digest
		evidence []evidence.Evidence
		want     bool
	}{
		{"a signature of the chart", digest, proven(digest, evidence.ChartSignature), true},
		{"a signature copied from another chart", digest, proven(digestOf(t, "b"), evidence.ChartSignature), false},
		{"an attestation by the right person", digest, proven(digest, evidence.Attestation), false},
		{"an unknown statement", digest, proven(digest, 0), false},
		{"a signature of nothing for nothing", chart.Digest{}, proven(chart.Digest{}, evidence.ChartSignature), false},
		{"the zero evidence", digest, []evidence.Evidence{{Logged: true, Signer: signer}}, false},
		{"no evidence", digest, nil, false},
		{"a good signature behind a bad one", digest, append(proven(digestOf(t, "b"), evidence.ChartSignature), proven(digest, evidence.ChartSignature)...), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			acceptance, ok := accepts(p, tc.about, tc.evidence)
			if ok != tc.want {
				t.Fatalf("accepted: %v", ok)
			}
			var want []verdict.Acceptance
			if ok {
				want = []verdict.Acceptance{{Policy: "acme", Identity: "release", Evidence: tc.evidence[len(tc.evidence)-1]}}
			}
			if diff := cmp.Diff(want, acceptance, cmp.AllowUnexported(evidence.Evidence{}), cmpopts.EquateComparable(chart.Digest{})); diff != "" {
				t.Errorf("acceptance (-want +got):\n%s", diff)
			}
			if v := verdict.Admit(verdict.Subject{Digest: tc.about}, acceptance); v.Admits() != tc.want {
				t.Errorf("a verdict made of it: %v", v)
			}
		})
	}
}

func TestZeroPoliciesAcceptNothing(t *testing.T) {
	t.Parallel()
	var zero policy.Policy
	if _, ok := accepts(&zero, digestOf(t, "a"), []evidence.Evidence{signature(t, signerNamed("release"))}); ok {
		t.Error("the zero policy accepts")
	}
	if _, ok := accepts(&zero, chart.Digest{}, nil); ok {
		t.Error("the zero policy accepts nothing")
	}
	if acceptance, _ := zero.Admissible(verdict.Subject{}, noon); acceptance != nil {
		t.Error("the zero policy waives")
	}
	var set policy.Set
	l := locationOf(t, podinfo)
	if set.For(l).Policies() != nil || set.Covering(l) != "" || set.Summary() != "0 policies" {
		t.Errorf("the zero set is about something: %s", set.Summary())
	}
	empty := compile(t, policy.Input{Identities: people("release")})
	if empty.For(l).Policies() != nil || empty.Covering(l) != "" {
		t.Error("a set without policies is about something")
	}
}

// What does not compile is not dropped: it denies what it matches.
func TestBrokenPoliciesDenyWhatTheyMatch(t *testing.T) {
	t.Parallel()
	change := func(f func(*v1alpha1.ChartPolicySpec)) v1alpha1.ChartPolicy {
		return changed(requiring("acme", "release"), f)
	}
	const elsewhere = "oci://any.example/chart"
	for _, tc := range []struct {
		name       string
		policy     v1alpha1.ChartPolicy
		because    string
		everything bool // it matches every chart, as its patterns are not known
	}{
		{name: "an identity that does not exist", policy: requiring("acme", "ghost"), because: `spec.require[0].anyOf[0]: TrustedIdentity "ghost" does not exist`},
		{name: "an identity that does not exist, beside one that does", policy: requiring("acme", "release ghost"), because: `spec.require[0].anyOf[1]: TrustedIdentity "ghost" does not exist`},
		{name: "an identity that does not exist in a second requirement", policy: requiring("acme", "release", "ghost"), because: `spec.require[1].anyOf[0]: TrustedIdentity "ghost" does not exist`},
		{name: "no requirement", policy: requiring("acme"), because: "spec.require: Required value: at least one requirement must be set"},
		{name: "an empty list of requirements", policy: change(func(s *v1alpha1.ChartPolicySpec) { s.Require = []v1alpha1.Requirement{} }), because: "spec.require: Required value: at least one requirement must be set"},
		{name: "an empty anyOf", policy: requiring("acme", ""), because: "spec.require[0].anyOf: Required value: at least one TrustedIdentity must be named"},
		{name: "an empty anyOf beside a good one", policy: requiring("acme", "release", ""), because: "spec.require[1].anyOf: Required value: at least one TrustedIdentity must be named"},
		{name: "an unknown pinning", policy: change(func(s *v1alpha1.ChartPolicySpec) { s.Pinning = "Loose" }), because: `spec.pinning: Unsupported value: "Loose": supported values: "Digest", "Version", "Floating"`},
		{name: "an unknown mode", policy: change(func(s *v1alpha1.ChartPolicySpec) { s.Mode = "warn" }), because: `spec.mode: Unsupported value: "warn": supported values: "Enforce", "Warn"`},
		{name: "requirements and a waiver", policy: change(func(s *v1alpha1.ChartPolicySpec) {
			s.AllowUnverified = &v1alpha1.AllowUnverified{Reason: "x", Until: "2030-01-01"}
		}), because: "spec: exactly one of require and allowUnverified must be set"},
		{name: "a waiver and a pinning", policy: changed(waiving("acme", "x", "2030-01-01"), func(s *v1alpha1.ChartPolicySpec) { s.Pinning = v1alpha1.PinningVersion }), because: "spec.pinning: Forbidden: has no meaning with allowUnverified"},
		{name: "a waiver without a reason", policy: waiving("acme", "", "2030-01-01"), because: "spec.allowUnverified.reason: Required value"},
		{name: "a waiver whose reason is blank", policy: waiving("acme", " \n", "2030-01-01"), because: "spec.allowUnverified.reason: Required value"},
		{name: "a waiver without an end", policy: waiving("acme", "x", ""), because: `spec.allowUnverified.until: Invalid value: "": must be a day such as 2027-01-31`},
		{name: "a waiver until a day that does not exist", policy: waiving("acme", "x", "2027-02-30"), because: `spec.allowUnverified.until: Invalid value: "2027-02-30": is no day of the calendar; write a day such as 2027-01-31`},
		{name: "a waiver until a time", policy: waiving("acme", "x", "2027-01-31T00:00:00Z"), because: `spec.allowUnverified.until: Invalid value: "2027-01-31T00:00:00Z"`},
		{name: "a waiver until a date in another order", policy: waiving("acme", "x", "31-01-2027"), because: `spec.allowUnverified.until: Invalid value: "31-01-2027"`},
		{name: "no charts", policy: change(func(s *v1alpha1.ChartPolicySpec) { s.Match.Charts = nil }), because: "spec.match.charts: Required value", everything: true},
		{name: "a pattern that cannot be read", policy: about("oci://ghcr.io/acme**"), because: "must stand alone between slashes", everything: true},
		{name: "a pattern that cannot be read beside one that can", policy: about(all, "OCI://x/**"), because: `spec.match.charts[1]: Invalid value: "OCI://x/**"`, everything: true},
		{name: "an exclusion that cannot be read excludes nothing", policy: change(func(s *v1alpha1.ChartPolicySpec) { s.Match.Exclude = []string{"oci://ghcr.io/acme**"} }), because: `spec.match.exclude[0]: Invalid value: "oci://ghcr.io/acme**"`},
		{name: "two mistakes are both named", policy: changed(requiring("acme", "ghost"), func(s *v1alpha1.ChartPolicySpec) { s.Mode = "x" }), because: `spec.mode: Unsupported value: "x": supported values: "Enforce", "Warn"; spec.require[0].anyOf[0]: TrustedIdentity "ghost" does not exist`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			set, report := policy.Compile(policy.Input{Identities: people("release"), Policies: []v1alpha1.ChartPolicy{tc.policy}})
			if report.Policies["acme"] == nil {
				t.Error("the report is silent")
			}
			wantBroken(t, set, podinfo, tc.because)
			for _, location := range []string{elsewhere, "https://any.example/chart", "http://any.example/a/b"} {
				if tc.everything {
					wantBroken(t, set, location, tc.because)
				} else if got := set.For(locationOf(t, location)).Policies(); got != nil {
					t.Errorf("it is about %s as well: %q", location, names(got))
				}
			}
			if set.For(locationOf(t, podinfo)).Policies()[0].WarnOnly() {
				t.Error("it only warns")
			}
		})
	}
}

// Mode Warn admits what its policy does not accept. A policy that cannot be evaluated denies
// instead, whatever its mode.
func TestABrokenPolicyInModeWarnDenies(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		change func(*v1alpha1.ChartPolicySpec)
		warns  bool
	}{
		{"a pattern that cannot be read", func(s *v1alpha1.ChartPolicySpec) { s.Match.Charts = []string{"oci://ghcr.io/acme**"} }, false},
		{"no pattern", func(s *v1alpha1.ChartPolicySpec) { s.Match.Charts = nil }, false},
		{"an exclusion that cannot be read", func(s *v1alpha1.ChartPolicySpec) { s.Match.Exclude = []string{"oci://ghcr.io/acme**"} }, false},
		{"a mode that cannot be read", func(s *v1alpha1.ChartPolicySpec) { s.Mode = "Warning" }, false},
		{"an identity that does not exist, on charts that are known", func(s *v1alpha1.ChartPolicySpec) { s.Require[0].AnyOf = []string{"ghost"} }, false},
		{"nothing that is broken", func(*v1alpha1.ChartPolicySpec) {}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			obj := changed(requiring("acme", "release"), func(s *v1alpha1.ChartPolicySpec) { s.Mode = v1alpha1.ModeWarn })
			set, _ := policy.Compile(policy.Input{Identities: people("release"), Policies: []v1alpha1.ChartPolicy{changed(obj, tc.change)}})
			if !tc.warns {
				wantBroken(t, set, podinfo, "")
			}
			if got := set.For(locationOf(t, podinfo)).Policies()[0].WarnOnly(); got != tc.warns {
				t.Errorf("warns only: %v", got)
			}
		})
	}
}

func TestEnforcingPoliciesComeFirst(t *testing.T) {
	t.Parallel()
	warn := func(name string) v1alpha1.ChartPolicy {
		return changed(requiring(name, "release"), func(s *v1alpha1.ChartPolicySpec) { s.Mode = v1alpha1.ModeWarn })
	}
	enforce := func(name string) v1alpha1.ChartPolicy {
		return changed(requiring(name, "release"), func(s *v1alpha1.ChartPolicySpec) { s.Mode = v1alpha1.ModeEnforce })
	}
	list := "- {name: release, charts: ['" + all + "'], keyless: {issuer: a, subject: b}}"
	set := compile(t, policy.Input{
		Identities: people("release"),
		Policies:   []v1alpha1.ChartPolicy{warn("w1"), enforce("e1"), warn("w2"), requiring("e2", "release")}, ConfigMap: &list,
	})
	policies := set.For(locationOf(t, podinfo)).Policies()
	if diff := cmp.Diff([]string{"e1", "e2", "the identities ConfigMap", "w1", "w2"}, names(policies)); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	var warnOnly []bool
	for _, p := range policies {
		warnOnly = append(warnOnly, p.WarnOnly())
	}
	if diff := cmp.Diff([]bool{false, false, false, true, true}, warnOnly); diff != "" {
		t.Errorf("warn only (-want +got):\n%s", diff)
	}
}

func TestAWaiverEndsWithItsLastDayInUTC(t *testing.T) {
	t.Parallel()
	moment := func(s string) time.Time { return must(time.Parse(time.RFC3339Nano, s))(t) }
	for _, tc := range []struct {
		name string
		now  time.Time
		want bool
	}{
		{"long before", moment("2020-01-01T00:00:00Z"), true},
		{"the day before", moment("2027-01-30T23:59:59Z"), true},
		{"the first moment of the last day", moment("2027-01-31T00:00:00Z"), true},
		{"the last moment of the last day", moment("2027-01-31T23:59:59.999999999Z"), true},
		{"the first moment after it", moment("2027-02-01T00:00:00Z"), false},
		{"long after", moment("2100-01-01T00:00:00Z"), false},
		{"still the last day in the west, but over in UTC", moment("2027-01-31T20:00:00-08:00"), false},
		{"the day after already in the east, but not in UTC", moment("2027-02-01T08:00:00+09:00"), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			set := compile(t, policy.Input{Policies: []v1alpha1.ChartPolicy{waiving("legacy", "moving to OCI\n", "2027-01-31")}})
			p := set.For(locationOf(t, podinfo)).Policies()[0]
			subject := subjectOf(t, podinfo, version(t, "*"))
			acceptance, denial := p.Admissible(subject, tc.now)
			if tc.want {
				want := &verdict.Acceptance{Policy: "legacy", Waiver: "moving to OCI; until 2027-01-31", WaiverEnds: time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC)}
				if diff := cmp.Diff(want, acceptance, cmpopts.IgnoreUnexported(evidence.Evidence{})); diff != "" || denial != nil {
					t.Errorf("acceptance (-want +got):\n%s\n%+v", diff, denial)
				}
			} else {
				want := verdict.WaiverEnded(subject, "legacy", "2027-01-31")
				want.Policy = []string{"legacy allows unverified charts until 2027-01-31"}
				if diff := cmp.Diff(&want, denial); diff != "" || acceptance != nil {
					t.Errorf("denial (-want +got):\n%s\n%+v", diff, acceptance)
				}
			}
			if _, ok := accepts(p, digestOf(t, "a"), []evidence.Evidence{signature(t, signerNamed("release"))}); ok {
				t.Error("a waiver names nobody, and yet it accepts a signature")
			}
		})
	}
}

func TestAWaiverIsForItsOwnPolicyOnly(t *testing.T) {
	t.Parallel()
	set := compile(t, policy.Input{Identities: people("release"), Policies: []v1alpha1.ChartPolicy{requiring("acme", "release"), waiving("legacy", "x", "2027-01-31")}})
	policies := set.For(locationOf(t, podinfo)).Policies()
	if diff := cmp.Diff([]string{"acme", "legacy"}, names(policies)); diff != "" {
		t.Fatalf("policies (-want +got):\n%s", diff)
	}
	if acceptance, denial := policies[0].Admissible(subjectOf(t, podinfo, version(t, "1.0.0")), noon); acceptance != nil || denial != nil {
		t.Errorf("the other policy no longer asks for signatures: %+v, %+v", acceptance, denial)
	}
}

func TestPinning(t *testing.T) {
	t.Parallel()
	digest := version(t, "1.0.0").At(digestOf(t, "a"))
	for _, tc := range []struct {
		name    string
		pinning v1alpha1.Pinning
		version chart.Selector
		want    chart.Pinning // what the denial asks for
		denied  bool
	}{
		{"Version by default: a range", "", version(t, ">=1.0.0"), chart.Version, true},
		{"Version by default: a version", "", version(t, "1.0.0"), 0, false},
		{"Version by default: a digest", "", digest, 0, false},
		{"Version: a range", v1alpha1.PinningVersion, version(t, "*"), chart.Version, true},
		{"Version: an incomplete version", v1alpha1.PinningVersion, must(chart.ParseArgoHelmRevision("1.0"))(t), chart.Version, true},
		{"Version: latest", v1alpha1.PinningVersion, must(chart.ParseFluxRef(chart.FluxRef{}))(t), chart.Version, true},
		{"Version: a version", v1alpha1.PinningVersion, version(t, "1.0.0"), 0, false},
		{"Version: a version that is resolved again later", v1alpha1.PinningVersion, version(t, "1.0.0").Floating(), chart.Version, true},
		{"Version: nothing", v1alpha1.PinningVersion, chart.Selector{}, chart.Version, true},
		{"Digest: a version", v1alpha1.PinningDigest, version(t, "1.0.0"), chart.ByDigest, true},
		{"Digest: a range", v1alpha1.PinningDigest, version(t, "*"), chart.ByDigest, true},
		{"Digest: a digest", v1alpha1.PinningDigest, digest, 0, false},
		{"Floating: a range", v1alpha1.PinningFloating, version(t, "*"), 0, false},
		{"Floating: latest", v1alpha1.PinningFloating, must(chart.ParseFluxRef(chart.FluxRef{}))(t), 0, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			obj := changed(requiring("acme", "release"), func(s *v1alpha1.ChartPolicySpec) { s.Pinning = tc.pinning })
			set := compile(t, policy.Input{Identities: people("release"), Policies: []v1alpha1.ChartPolicy{obj}})
			subject := subjectOf(t, podinfo, tc.version)
			acceptance, denial := set.For(locationOf(t, podinfo)).Policies()[0].Admissible(subject, noon)
			var want *verdict.Denial
			if tc.denied {
				d := verdict.NotPinnedEnough(subject, "acme", tc.want)
				want = &d
			}
			if diff := cmp.Diff(want, denial); diff != "" || acceptance != nil {
				t.Errorf("denial (-want +got):\n%s\n%+v", diff, acceptance)
			}
		})
	}
}

func TestChartsThatCannotBeSignedAreDeniedBeforeAnyPacket(t *testing.T) {
	t.Parallel()
	for _, location := range []string{"https://legacy.example/x", "http://legacy.example/x"} {
		obj := changed(requiring("legacy", "release"), func(s *v1alpha1.ChartPolicySpec) {
			s.Match.Charts, s.Pinning = []string{"https://**", "http://**"}, v1alpha1.PinningFloating
		})
		set := compile(t, policy.Input{Identities: people("release"), Policies: []v1alpha1.ChartPolicy{obj}})
		subject := subjectOf(t, location, version(t, "1.0.0"))
		acceptance, denial := set.For(locationOf(t, location)).Policies()[0].Admissible(subject, noon)
		want := verdict.NotFromOCI(subject, []string{"legacy requires a signature by release (subject release@acme.example, issuer https://issuer.example)"})
		if diff := cmp.Diff(&want, denial); diff != "" || acceptance != nil {
			t.Errorf("%s (-want +got):\n%s\n%+v", location, diff, acceptance)
		}
	}
}

func TestWhatAPolicyWantsInOneClause(t *testing.T) {
	t.Parallel()
	pem, signer := newKey(t)
	identities := append(
		people("release", "audit"),
		identity("deploy", v1alpha1.TrustedIdentitySpec{Key: &v1alpha1.Key{PEM: pem}}),
		identity("ci", v1alpha1.TrustedIdentitySpec{Keyless: &v1alpha1.Keyless{IssuerRegExp: "i.+", SubjectRegExp: "s.+", Claims: map[string]string{"sourceRepositoryURI": "r", "buildTrigger": "push"}}}),
	)
	for _, tc := range []struct {
		policy v1alpha1.ChartPolicy
		want   string
	}{
		{requiring("p", "release"), "p requires a signature by release (subject release@acme.example, issuer https://issuer.example)"},
		{requiring("p", "release audit"), "p requires a signature by release (subject release@acme.example, issuer https://issuer.example) or audit (subject audit@acme.example, issuer https://issuer.example)"},
		{requiring("p", "deploy", "ci"), "p requires a signature by deploy (key " + signer.Key + "), and a signature by ci (subject s.+, issuer i.+, buildTrigger push, sourceRepositoryURI r)"},
		{waiving("p", "x", "2027-01-31"), "p allows unverified charts until 2027-01-31"},
	} {
		set := compile(t, policy.Input{Identities: identities, Policies: []v1alpha1.ChartPolicy{tc.policy}})
		if diff := cmp.Diff(tc.want, set.For(locationOf(t, podinfo)).Policies()[0].Wants()); diff != "" {
			t.Errorf("wants (-want +got):\n%s", diff)
		}
	}
}

// A policy whose pattern cannot be read denies charts that it was not written for, and says why.
func TestAnUnreadPatternIsSaidToCountForEveryChart(t *testing.T) {
	t.Parallel()
	set, _ := policy.Compile(policy.Input{Identities: people("release"), Policies: []v1alpha1.ChartPolicy{
		changed(requiring("acme", "release"), func(s *v1alpha1.ChartPolicySpec) { s.Match.Charts = []string{"ghcr.io/acme/**"} }),
	}})
	_, denial := set.For(locationOf(t, podinfo)).Policies()[0].Admissible(subjectOf(t, podinfo, version(t, "1.0.0")), noon)
	const want = "policy acme is invalid, and applies to every chart because its patterns cannot be read: spec.match.charts[0]: Invalid value: \"ghcr.io/acme/**\": must start with oci://, https://, http://, git:// or bucket://"
	if denial == nil || denial.Summary != want {
		t.Errorf("%+v", denial)
	}
}
