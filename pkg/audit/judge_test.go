package audit

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/inventory"
	"github.com/chartgate/chartgate/pkg/verdict"
)

const (
	digestA = "sha256:aaaa"
	digestB = "sha256:bbbb"
)

var (
	trusted = inventory.Row{
		Field: "spec.chart.spec", Reference: "oci://ghcr.io/acme/web:1.0.0", Digest: digestA, Verdict: "Verified",
		Policies: []string{"acme"}, Message: "HelmRelease apps/web: admitted",
		Signers: []inventory.Signer{{Identities: []string{"release", "nightly"}}, {Identities: []string{"release"}}},
	}
	waived = with(trusted, func(r *inventory.Row) { r.Verdict, r.Signers = "AllowedUnverified", nil })
	denied = with(trusted, func(r *inventory.Row) {
		r.Verdict, r.Reason, r.Message = "Denied", verdict.IdentityNotAllowed, "HelmRelease apps/web denied (IdentityNotAllowed): a stranger\nwhere: here"
		r.Signers, r.Policies = nil, nil
	})
	warned      = with(denied, func(r *inventory.Row) { r.Verdict = "Warned" })
	unavailable = with(denied, func(r *inventory.Row) {
		r.Reason, r.Digest, r.Message = verdict.RegistryUnavailable, "", "HelmRelease apps/web denied (RegistryUnavailable): down"
	})
	rootless = with(unavailable, func(r *inventory.Row) {
		r.Reason, r.Digest, r.Lasting, r.Message = verdict.TrustRootUnavailable, digestA, true, "HelmRelease apps/web denied (TrustRootUnavailable): gone"
	})
	moved      = with(denied, func(r *inventory.Row) { r.Digest, r.Findings = digestB, tagMoved })
	tagMoved   = []inventory.Finding{{Kind: inventory.TagMoved, Detail: "the tag moved"}}
	endingSoon = with(waived, func(r *inventory.Row) {
		r.Findings = []inventory.Finding{{Kind: inventory.WaiverEnding, Detail: "ends"}}
	})
)

func with(row inventory.Row, change func(*inventory.Row)) inventory.Row {
	change(&row)
	return row
}

// TestWhatIsNew: rows of one field, one run after the other, and the Events of the last run.
func TestWhatIsNew(t *testing.T) {
	const (
		byPolicy = "Warning NoLongerTrusted: it was accepted before (policy acme, identities nightly, release); now: HelmRelease apps/web denied (IdentityNotAllowed): a stranger"
		byWaiver = "Warning NoLongerTrusted: it was accepted before (waiver of policy acme); now: HelmRelease apps/web denied (IdentityNotAllowed): a stranger"
		movedTag = "Warning TagMoved: the tag moved"
		turned   = "Warning IdentityNotAllowed: HelmRelease apps/web denied (IdentityNotAllowed): a stranger\nwhere: here"
		again    = "Normal Verified: it passes again: HelmRelease apps/web: admitted"
	)
	other := with(denied, func(r *inventory.Row) { r.Reference = "oci://ghcr.io/acme/web:2.0.0" })
	unknown := with(trusted, func(r *inventory.Row) { r.Verdict = "Blessed" })
	none := with(denied, func(r *inventory.Row) { r.Digest = "" })
	for _, c := range []struct {
		sentence string
		runs     []inventory.Row
		want     []string
		findings string
	}{
		{"a chart that passes is no news", []inventory.Row{trusted, trusted}, nil, ""},
		{"what is denied when it is first seen is in the report only", []inventory.Row{denied}, nil, ""},
		{"what stays denied is no news", []inventory.Row{denied, denied}, nil, ""},
		{"what passed and is denied is no longer trusted", []inventory.Row{trusted, denied}, []string{byPolicy}, "NoLongerTrusted"},
		{"so is what is admitted only in mode Warn", []inventory.Row{trusted, warned}, []string{byPolicy}, "NoLongerTrusted"},
		{"so is what a waiver admitted", []inventory.Row{waived, denied}, []string{byWaiver}, "NoLongerTrusted"},
		{"so is a verdict that nothing is known of", []inventory.Row{trusted, unknown}, []string{"Warning NoLongerTrusted: it was accepted before (policy acme, identities nightly, release); now: HelmRelease apps/web: admitted"}, "NoLongerTrusted"},
		{"so is a chart that is gone from the registry", []inventory.Row{trusted, none}, []string{byPolicy}, "NoLongerTrusted"},
		{"it is told once", []inventory.Row{trusted, denied, denied}, nil, "NoLongerTrusted"},
		{"it is told again when it passed in between", []inventory.Row{trusted, denied, trusted, denied}, []string{byPolicy}, "NoLongerTrusted"},
		{"a registry that is down says nothing about trust", []inventory.Row{trusted, unavailable}, nil, ""},
		{"and hides no loss of trust", []inventory.Row{trusted, unavailable, denied}, []string{byPolicy}, "NoLongerTrusted"},
		{"a TrustRoot that is deleted does", []inventory.Row{trusted, rootless}, []string{strings.Replace(byPolicy, "(IdentityNotAllowed): a stranger", "(TrustRootUnavailable): gone", 1)}, "NoLongerTrusted"},
		{"a TrustRoot whose mirror is down does not", []inventory.Row{trusted, with(rootless, func(r *inventory.Row) { r.Lasting = false })}, nil, ""},
		{"and ends no finding", []inventory.Row{trusted, denied, unavailable}, nil, "NoLongerTrusted"},
		{"so that it is not told twice", []inventory.Row{trusted, denied, unavailable, denied}, nil, "NoLongerTrusted"},
		{"what passes again has no finding", []inventory.Row{trusted, denied, trusted}, []string{again}, ""},
		{"a tag that moves to another chart is no loss of trust", []inventory.Row{trusted, moved}, []string{movedTag, turned}, "TagMoved"},
		{"a tag that moved is told once", []inventory.Row{trusted, moved, moved}, nil, "TagMoved"},
		{"a tag that had moved already is told when it is first seen", []inventory.Row{moved}, []string{movedTag}, "TagMoved"},
		{"a waiver that comes to its end", []inventory.Row{waived, endingSoon}, []string{"Warning WaiverEnding: ends"}, "WaiverEnding"},
		{"another version in the same field was never accepted", []inventory.Row{trusted, other}, nil, ""},
		{"a source that does not exist yet decides nothing", []inventory.Row{trusted, with(trusted, func(r *inventory.Row) { r.Verdict = "Deferred" })}, nil, ""},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			var last judged
			remembered := map[key]*past{}
			for _, row := range c.runs {
				last = judge(row, remembered[keyOf(row)])
				// By way of a report, as between two processes.
				remembered = newReport(flavors[0], inventory.Object{Kind: "HelmRelease", Name: "web"}, []judged{last}, mark{}).pasts()
				if diff := cmp.Diff(last.now, *remembered[keyOf(row)], cmp.AllowUnexported(past{})); diff != "" {
					t.Errorf("the report remembers something else: %s", diff)
				}
			}
			var got, kinds []string
			for _, n := range last.news {
				kind := "Normal "
				if n.warning {
					kind = "Warning "
				}
				got = append(got, kind+n.reason+": "+n.note)
			}
			for _, finding := range last.now.findings {
				kinds = append(kinds, string(finding.Kind))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if found := strings.Join(kinds, " "); found != c.findings {
				t.Errorf("findings %q, want %q", found, c.findings)
			}
		})
	}
}

// TestEveryVerdictHasAnOutcome: the words are those of package verdict.
func TestEveryVerdictHasAnOutcome(t *testing.T) {
	digest, err := chart.ParseDigest("sha256:" + strings.Repeat("a", 64))
	if err != nil {
		t.Fatal(err)
	}
	subject := verdict.Subject{Kind: "HelmRelease", Name: "web", Digest: digest}
	signed := verdict.Acceptance{Policy: "acme", Identity: "release", Evidence: evidence.New(digest, evidence.ChartSignature, evidence.Signer{Subject: "s", Issuer: "i"})}
	for want, verdicts := range map[outcome][]verdict.Verdict{
		passes: {
			verdict.Admit(subject, []verdict.Acceptance{signed}), verdict.Admit(subject, []verdict.Acceptance{{Policy: "acme", Waiver: "migration"}}),
			verdict.Cover(subject, "acme"), verdict.Outside(subject, "no chart"),
		},
		undecided: {verdict.Defer(subject, verdict.Denial{Reason: verdict.SourceNotFound}), verdict.Deny(subject), verdict.Deny(subject, verdict.Denial{Reason: verdict.Timeout})},
		fails: {
			{}, verdict.Deny(subject, verdict.Denial{Reason: verdict.NoPolicy}),
			verdict.Warn(subject, []verdict.Denial{{Reason: verdict.SignatureMissing, Policy: []string{"acme"}}}, nil),
		},
	} {
		for _, v := range verdicts {
			row := inventory.Row{Verdict: v.String(), Reason: v.Reason()}
			if v.Denials() != nil && v.Reason() == verdict.InternalError && v.Subject.Kind == "" {
				row.Reason = verdict.NoPolicy // of the zero value, only the word counts
			}
			if got := outcomeOf(row); got != want {
				t.Errorf("%s (%s): %s, want %s", v, v.Reason(), got, want)
			}
		}
	}
}
