package faults_test

import (
	"testing"
	"time"

	"github.com/chartgate/chartgate/pkg/signature"
	"github.com/chartgate/chartgate/pkg/verdict"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
)

// TestTrustRootFaults: without the trust root that certifies it, a good signature does not count.
func TestTrustRootFaults(t *testing.T) {
	other, err := sigstore.New(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := other.TrustedRoot()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		sentence string
		root     []byte
		want     verdict.Reason
	}{
		{"there is no trust root", nil, verdict.TrustRootUnavailable},
		{"the trust root is another Sigstore's", stranger, verdict.SignatureInvalid},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(s *setting) { s.trustedRoot = c.root })
			w.bundle(t, "acme/bundle", w.push(t, "acme/bundle"))
			w.legacy(t, "acme/legacy", w.push(t, "acme/legacy"))
			mustDeny(t, c.want, w.ask(t, w.application("acme/bundle", "1.0.0"), longestTimeout))
			mustDeny(t, c.want, w.ask(t, w.application("acme/legacy", "1.0.0"), longestTimeout))
		})
	}
}

// TestMalformedTrustRoots: the file is read once, at the start. With malformed content chartgate
// does not start, and the API server denies.
func TestMalformedTrustRoots(t *testing.T) {
	root := theSigstore(t).root
	for sentence, content := range map[string]string{
		"empty":                        "",
		"garbage":                      "<html>" + canary,
		"an empty JSON document":       "{}",
		"a list":                       "[]",
		"a trust root without content": `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`,
		"another JSON document":        `{"canary":1}`,
		"cut off":                      string(root[:len(root)/2]),
		"cut off at the last bracket":  string(root[:len(root)-1]),
		"twice the root":               string(root) + string(root),
	} {
		t.Run(sentence, func(t *testing.T) {
			if roots, err := signature.Fixed([]byte(content)); err == nil {
				t.Errorf("it was accepted, as %v", roots)
			}
		})
	}
}
