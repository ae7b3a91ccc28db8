package privatesigstore_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"testing"

	"github.com/chartgate/chartgate/test/env/sigstore"
)

// TestKeys: signatures with a key, which the log and the timestamp authority of our Sigstore may vouch for.
func TestKeys(t *testing.T) {
	w := theWorld(t)
	ours, theirs := w.ours.Client, w.theirs.Client
	key := w.newKey(t)
	const (
		logged, unlogged = "    transparencyLog: Required\n", "    transparencyLog: NotRequired\n"
		inTime           = "  validity: {notBefore: 2020-01-01T00:00:00Z}\n"
	)
	good := answer{Verdict: "Verified", Signer: "acme-key (" + byKey(key) + ")"}
	invalid := func(why string) answer { return unusable("by " + byKey(key) + ", but " + why) }
	timeless := denied("IdentityNotAllowed", "1 bundle, 0 legacy signatures", "signed by "+byKey(key))
	rows := []struct {
		sentence  string
		signature signature
		identity  string
		want      answer
	}{
		{"logged, as required", signed(ours, key), logged, good},
		{"logged, not required", signed(ours, key), unlogged, good},
		{"logged without a timestamp", signed(ours.Without(sigstore.Timestamp), key), logged, good},
		{"not logged", signed(ours.Without(sigstore.Rekor), key), logged, invalid("without the log entry that the policy requires")},
		{"not logged, not required", signed(ours.Without(sigstore.Rekor), key), unlogged, good},
		{"logged elsewhere", signed(ours.With(theirs, sigstore.Rekor), key), logged, invalid("its log entry, which the policy requires, could not be verified")},
		{"with another key", signed(ours, w.newKey(t)), logged, unusable("made with a key that no policy trusts")},
		{"in time, says the timestamp", signed(ours, key), logged + inTime, good},
		{"in time, says the timestamp without a log entry", signed(ours.Without(sigstore.Rekor), key), unlogged + inTime, good},
		{"in time, says nobody", signed(ours.Without(sigstore.Timestamp), key), logged + inTime, timeless},
		{"in time, says somebody else's timestamp", signed(ours.With(theirs, sigstore.Timestamp), key), logged + inTime, timeless},
	}
	var items []item
	for i, row := range rows {
		items = append(items, item{w.registry, fmt.Sprintf("key-%d", i), []signature{row.signature}})
	}
	charts := w.publish(t, items...)
	for i, row := range rows {
		t.Run(row.sentence, func(t *testing.T) {
			w.checkBy(t, w.keyPolicies(key, row.identity), charts[i], ours, row.want)
		})
	}
}

func (w *world) newKey(t *testing.T) sigstore.Key {
	t.Helper()
	key, err := w.ours.NewKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func byKey(key sigstore.Key) string {
	block, _ := pem.Decode([]byte(key.PEM))
	sum := sha256.Sum256(block.Bytes)
	return "key sha256:" + hex.EncodeToString(sum[:])
}
