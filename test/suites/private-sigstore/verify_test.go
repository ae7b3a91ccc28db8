package privatesigstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chartgate/chartgate/test/env/sigstore"
)

// TestWhoSigned: who may deploy what, in a registry with the referrers API and in one without.
func TestWhoSigned(t *testing.T) {
	w := theWorld(t)
	ours, release, maintainer := w.ours.Client, w.release(), w.maintainer()
	nightly := w.issuer.Workflow("acme/charts", "acme/charts/.github/workflows/nightly.yaml@refs/heads/main")
	namesake := w.issuer.Freemailer(maintainer.Subject)
	caller := w.issuer.Workflow("mallory/charts", "acme/charts/.github/workflows/release.yaml@refs/heads/main")
	const one, two = "1 bundle, 0 legacy signatures", "2 bundles, 0 legacy signatures"
	rows := []struct {
		sentence   string
		signatures []signature
		want       answer
	}{
		{
			sentence:   "signed by a workflow",
			signatures: []signature{signed(ours, release)},
			want:       w.admitted("acme-release", release),
		}, {
			sentence:   "signed by a person",
			signatures: []signature{signed(ours, maintainer)},
			want:       w.admitted("acme-maintainer", maintainer),
		}, {
			sentence:   "signed by others too",
			signatures: []signature{signed(ours, namesake), attested(ours, release), signed(ours, release)},
			want:       w.admitted("acme-release", release),
		}, {
			sentence: "not signed",
			want:     denied("SignatureMissing", "0 bundles, 0 legacy signatures"),
		}, {
			sentence:   "signed by another workflow of the same repository",
			signatures: []signature{signed(ours, nightly)},
			want:       denied("IdentityNotAllowed", one, "signed by "+byWorkflow(nightly, "acme/charts")),
		}, {
			sentence:   "signed by the same email address, of another issuer",
			signatures: []signature{signed(ours, namesake)},
			want:       denied("IdentityNotAllowed", one, "signed by "+by(namesake)),
		}, {
			sentence:   "signed by the right workflow, which another owner's repository called",
			signatures: []signature{signed(ours, caller)},
			want:       denied("IdentityNotAllowed", one, "signed by "+byWorkflow(caller, "mallory/charts")),
		}, {
			sentence:   "attested by the right workflow, and not signed",
			signatures: []signature{attested(ours, release)},
			want:       denied("SignatureMissing", one, "attested, not signed, by "+byWorkflow(release, "acme/charts")),
		}, {
			sentence:   "attested by the right workflow, and signed by another",
			signatures: []signature{attested(ours, release), signed(ours, nightly)},
			want: denied("IdentityNotAllowed", two, "signed by "+byWorkflow(nightly, "acme/charts"),
				"attested, not signed, by "+byWorkflow(release, "acme/charts")),
		}, {
			sentence:   "with the signature of another chart",
			signatures: []signature{copied(ours, release)},
			want:       denied("SignatureInvalid", one, "not usable: made for another digest"),
		},
	}
	var items []item
	for i, row := range rows {
		name := fmt.Sprintf("who-%d", i)
		items = append(items, item{w.registry, name, row.signatures}, item{w.fallback, name, row.signatures})
	}
	charts := w.publish(t, items...)
	for i, row := range rows {
		for j, api := range []string{"with", "without"} {
			t.Run(row.sentence+", "+api+" the referrers API", func(t *testing.T) {
				w.check(t, charts[2*i+j], ours, row.want)
			})
		}
	}
}

// TestWhatIsTrusted: a good signature counts if every service that took part in it is trusted.
func TestWhatIsTrusted(t *testing.T) {
	w := theWorld(t)
	ours, theirs := w.ours.Client, w.theirs.Client
	mine := w.publish(t, item{w.registry, "trusted", []signature{signed(ours, w.release())}})[0]
	for _, tc := range []struct {
		sentence string
		trusted  *sigstore.Client
		want     answer
	}{
		{"all", ours, w.admitted("acme-release", w.release())},
		{"another Sigstore", theirs, unusable("logged in no transparency log of the trust root")},
		{"another certificate authority", ours.With(theirs, sigstore.Fulcio), unusable("its certificate was not issued by an authority of the trust root")},
		{"another certificate transparency log", ours.With(theirs, sigstore.CTLog), unusable("")},
		{"another log", ours.With(theirs, sigstore.Rekor), unusable("logged in no transparency log of the trust root")},
		{"another timestamp authority", ours.With(theirs, sigstore.Timestamp), unusable("")},
		{"no certificate authority", ours.Without(sigstore.Fulcio), unusable("its certificate was not issued by an authority of the trust root")},
		{"no certificate transparency log, so no promise of one can be wanted", ours.Without(sigstore.CTLog), w.admitted("acme-release", w.release())},
		{"no log", ours.Without(sigstore.Rekor), unusable("logged in no transparency log of the trust root")},
		{"no timestamp authority", ours.Without(sigstore.Timestamp), unusable("")},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			w.check(t, mine, tc.trusted, tc.want)
		})
	}
}

// withoutLog is the message about a signature with a certificate that is not logged.
const withoutLog = "made with a certificate, but without a transparency log entry, which only keyless.transparencyLog: NotRequired accepts"

// TestForgeries: what an attacker can make who has another Sigstore, or a good signature to change.
func TestForgeries(t *testing.T) {
	w := theWorld(t)
	ours, theirs, release := w.ours.Client, w.theirs.Client, w.release()
	rows := []struct {
		sentence  string
		signature signature
		want      answer
	}{
		{"a signature in another Sigstore, which certifies the same identity", signed(theirs, release), unusable("logged in no transparency log of the trust root")},
		{"a certificate of another Sigstore, logged in ours", signed(ours.With(theirs, sigstore.Fulcio, sigstore.CTLog), release), unusable("its certificate was not issued by an authority of the trust root")},
		{"a timestamp by another Sigstore", signed(ours.With(theirs, sigstore.Timestamp), release), unusable("")},
		{"no change", forged(ours, release, func(_, _ map[string]any) {}), w.admitted("acme-release", release)},
		{"no timestamp", forged(ours, release, func(bundle, _ map[string]any) {
			delete(material(bundle), "timestampVerificationData")
		}), unusable("")},
		{"the timestamp of another signature", forged(ours, release, func(bundle, another map[string]any) {
			material(bundle)["timestampVerificationData"] = material(another)["timestampVerificationData"]
		}), unusable("")},
		{"an unsigned time in the log entry in place of the timestamp", forged(ours, release, func(bundle, _ map[string]any) {
			delete(material(bundle), "timestampVerificationData")
			entry(bundle)["integratedTime"] = fmt.Sprint(time.Now().Unix())
		}), unusable("")},
		{"no log entry", forged(ours, release, func(bundle, _ map[string]any) {
			delete(material(bundle), "tlogEntries")
		}), unusable(withoutLog)},
		{"the log entry of another signature", forged(ours, release, func(bundle, another map[string]any) {
			material(bundle)["tlogEntries"] = material(another)["tlogEntries"]
		}), unusable("")},
		{"no proof that the log entry is in the log", forged(ours, release, func(bundle, _ map[string]any) {
			delete(entry(bundle), "inclusionProof")
		}), unusable("not a sigstore bundle")},
		{"the proof of another log entry", forged(ours, release, func(bundle, another map[string]any) {
			entry(bundle)["inclusionProof"] = entry(another)["inclusionProof"]
		}), unusable("")},
		{"the certificate of another signature", forged(ours, release, func(bundle, another map[string]any) {
			material(bundle)["certificate"] = material(another)["certificate"]
		}), unusable("")},
	}
	var items []item
	for i, row := range rows {
		items = append(items, item{w.registry, fmt.Sprintf("forged-%d", i), []signature{row.signature}})
	}
	charts := w.publish(t, items...)
	for i, row := range rows {
		t.Run(row.sentence, func(t *testing.T) { w.check(t, charts[i], ours, row.want) })
	}
}

func material(bundle map[string]any) map[string]any {
	return bundle["verificationMaterial"].(map[string]any)
}

func entry(bundle map[string]any) map[string]any {
	return material(bundle)["tlogEntries"].([]any)[0].(map[string]any)
}
