package privatesigstore_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chartgate/chartgate/test/env/sigstore"
)

// TestWithoutLog: certificates of the real Fulcio that the timestamp authority alone vouches for, signed with a Sigstore
// that has no transparency log.
func TestWithoutLog(t *testing.T) {
	w := theWorld(t)
	ours, theirs, release := w.ours.Client, w.theirs.Client, w.release()
	logless := ours.Without(sigstore.Rekor)
	const (
		notRequired = "    transparencyLog: NotRequired\n"
		required    = "    transparencyLog: Required\n"
	)
	good, broken := w.admitted("acme-release", release), unusable("its signature, certificate or signed timestamp is not valid")
	rows := []struct {
		sentence  string
		signature signature
		identity  string
		trusted   *sigstore.Client
		want      answer
	}{
		{"stamped, and the log is not required", signed(logless, release), notRequired, ours, good},
		{"stamped, by a Sigstore whose trust root has no log", signed(logless, release), notRequired, logless, good},
		{"stamped, by a Sigstore whose trust root has neither log nor CT log", signed(logless, release), notRequired, ours.Without(sigstore.Rekor, sigstore.CTLog), good},
		{"in the log and stamped, though the log is not required", signed(ours, release), notRequired, ours, good},
		{"in a log that the trust root does not have, and stamped", signed(ours, release), notRequired, logless, good},
		{"stamped, and the log is required", signed(logless, release), required, ours, unusable(withoutLog)},
		{"stamped, and the log is required by default", signed(logless, release), "", ours, unusable(withoutLog)},
		{"stamped in the identity's window", signed(logless, release), notRequired + "  validity: {notBefore: 2020-01-01T00:00:00Z}\n", ours, good},
		{"stamped by nobody", forged(logless, release, func(bundle, _ map[string]any) {
			delete(material(bundle), "timestampVerificationData")
		}), notRequired, ours, broken},
		{"the timestamp of another signature", forged(logless, release, func(bundle, another map[string]any) {
			material(bundle)["timestampVerificationData"] = material(another)["timestampVerificationData"]
		}), notRequired, ours, broken},
		{"the certificate of another signature", forged(logless, release, func(bundle, another map[string]any) {
			material(bundle)["certificate"] = material(another)["certificate"]
		}), notRequired, ours, broken},
		{"the log entry of another signature, beside a good timestamp", forged(ours, release, func(bundle, another map[string]any) {
			material(bundle)["tlogEntries"] = material(another)["tlogEntries"]
		}), notRequired, ours, unusable("")},
		{"stamped by another Sigstore", signed(logless.With(theirs, sigstore.Timestamp), release), notRequired, ours, broken},
		{"a certificate of another Sigstore, stamped by ours", signed(logless.With(theirs, sigstore.Fulcio, sigstore.CTLog), release), notRequired, ours, unusable("its certificate was not issued by an authority of the trust root")},
	}
	var items []item
	for i, row := range rows {
		items = append(items, item{w.registry, fmt.Sprintf("unlogged-%d", i), []signature{row.signature}})
	}
	charts := w.publish(t, items...)
	for i, row := range rows {
		t.Run(row.sentence, func(t *testing.T) {
			w.checkBy(t, w.policiesFor(row.identity), charts[i], row.trusted, row.want)
		})
	}
}

// TestAttestedWithoutLog: a policy that asks for an attestation and no signature, as the recipe for GitHub's attestations
// in docs/policies.md, and an attestation of a Sigstore without a log.
func TestAttestedWithoutLog(t *testing.T) {
	w := theWorld(t)
	logless, release := w.ours.Client.Without(sigstore.Rekor), w.release()
	const wanting = `require: [{anyOf: [acme-release], attestation: {predicateType: "https://slsa.dev/provenance/v1"}}]`
	policies := func(more string) string {
		return strings.Replace(w.policiesFor(more), "require: [{anyOf: [acme-release, acme-maintainer]}]", wanting, 1)
	}
	c := w.publish(t, item{w.registry, "attested-unlogged", []signature{attested(logless, release)}})[0]
	w.checkBy(t, policies("    transparencyLog: NotRequired\n"), c, logless, w.admitted("acme-release", release))
	refused := unusable(withoutLog)
	refused.Reason = "AttestationMissing"
	w.checkBy(t, policies(""), c, logless, refused)
}
