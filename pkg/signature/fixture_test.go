package signature_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/signature"
	"github.com/chartgate/chartgate/pkg/verdict"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
)

const (
	repository = "127.0.0.1:5000/acme/charts/podinfo"
	slsa       = "https://slsa.dev/provenance/v1"

	bundleAnnotation      = "dev.sigstore.cosign/bundle"
	certificateAnnotation = "dev.sigstore.cosign/certificate"
	chainAnnotation       = "dev.sigstore.cosign/chain"
	signatureAnnotation   = "dev.cosignproject.cosign/signature"
	timestampAnnotation   = "dev.sigstore.cosign/rfc3161timestamp"
)

// world is a Sigstore that is trusted, one that is not, and the signers.
type world struct {
	*sigstore.Sigstore
	stranger       *sigstore.Sigstore
	now            time.Time
	chart, other   chart.Digest
	workflow       sigstore.Identity
	key, strangers *sigstore.Key
	verifier       *signature.Verifier
	rootless       *signature.Verifier
}

func newWorld(t testing.TB) *world {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Second)
	clock := func() time.Time { return now }
	w := &world{
		Sigstore: must(sigstore.New(clock))(t),
		stranger: must(sigstore.New(clock))(t),
		now:      now,
		chart:    digestOf(t, []byte("chart")),
		other:    digestOf(t, []byte("other chart")),
		workflow: sigstore.Identity{
			Issuer:  "https://token.actions.githubusercontent.com",
			Subject: "https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main",
			Claims: map[string]string{
				"sourceRepositoryURI":      "https://github.com/acme/charts",
				"githubWorkflowRepository": "acme/charts",
			},
		},
		key:       must(sigstore.NewKey())(t),
		strangers: must(sigstore.NewKey())(t),
		rootless:  verifierOf(t, nil),
	}
	w.verifier = verifierOf(t, must(w.TrustedRoot())(t))
	return w
}

func (w *world) identity() evidence.Signer {
	claims := maps.Clone(w.workflow.Claims)
	claims["issuer"] = w.workflow.Issuer
	return evidence.Signer{Issuer: w.workflow.Issuer, Subject: w.workflow.Subject, Claims: claims}
}

func (w *world) keySigner(t testing.TB) evidence.Signer {
	return evidence.Signer{Key: publicKey(t, w.key).Fingerprint()}
}

// bundle is a signature of the chart.
func (w *world) bundle(t testing.TB, by sigstore.Signer, opts ...sigstore.Option) attachment.Attachment {
	t.Helper()
	return bundleOf(must(w.Bundle(by, w.chart.String(), sigstore.SignPredicateType, nil, opts...))(t))
}

func (w *world) legacy(t testing.TB, by sigstore.Signer, opts ...sigstore.Option) attachment.Attachment {
	t.Helper()
	return w.legacyIn(t, w.Sigstore, by, opts...)
}

func (w *world) legacyIn(t testing.TB, s *sigstore.Sigstore, by sigstore.Signer, opts ...sigstore.Option) attachment.Attachment {
	t.Helper()
	payload, annotations, err := s.Legacy(by, repository, w.chart.String(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	return legacyOf(t, payload, annotations)
}

// attestations are the two forms of one attestation of the chart.
func (w *world) attestations(t testing.TB, by sigstore.Signer, predicateType string, predicate any, opts ...sigstore.Option) []attachment.Attachment {
	t.Helper()
	return w.attestationsAbout(t, w.chart, by, predicateType, predicate, opts...)
}

func (w *world) attestationsAbout(t testing.TB, digest chart.Digest, by sigstore.Signer, predicateType string, predicate any, opts ...sigstore.Option) []attachment.Attachment {
	t.Helper()
	return []attachment.Attachment{
		bundleOf(must(w.Bundle(by, digest.String(), predicateType, predicate, opts...))(t)),
		w.legacyAttestation(t, w.Sigstore, digest, by, predicateType, predicate, opts...),
	}
}

func (w *world) legacyAttestation(t testing.TB, s *sigstore.Sigstore, digest chart.Digest, by sigstore.Signer, predicateType string, predicate any, opts ...sigstore.Option) attachment.Attachment {
	t.Helper()
	envelope, annotations, err := s.LegacyAttestation(by, digest.String(), predicateType, predicate, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return attestationOf(t, envelope, annotations)
}

func attestationOf(t testing.TB, envelope []byte, annotations map[string]string) attachment.Attachment {
	t.Helper()
	return attachment.Attachment{
		Format: attachment.LegacyAttestation, Source: digestOf(t, envelope), Content: envelope, Annotations: annotations,
	}
}

func (w *world) verify(m attachment.Attachment, wanted evidence.Wanted) (evidence.Evidence, error) {
	return one(w.verifier.Verify(context.Background(), w.chart, m, wanted))
}

// verifierOf has one trust root, the default one.
func verifierOf(t testing.TB, trustedRoot []byte) *signature.Verifier {
	t.Helper()
	return signature.New(must(signature.Fixed(trustedRoot))(t))
}

// one is the evidence by one trust root.
func one(proven []evidence.Evidence, err error) (evidence.Evidence, error) {
	switch {
	case err == nil && len(proven) == 1:
		return proven[0], nil
	case err != nil && len(proven) == 0:
		return evidence.Evidence{}, err
	default:
		return evidence.Evidence{}, fmt.Errorf("%d pieces of evidence, and error %w", len(proven), err)
	}
}

func bundleOf(raw []byte) attachment.Attachment {
	return attachment.Attachment{Format: attachment.Bundle, Content: raw}
}

func legacyOf(t testing.TB, payload []byte, annotations map[string]string) attachment.Attachment {
	t.Helper()
	return attachment.Attachment{
		Format: attachment.Legacy, Source: digestOf(t, payload), Content: payload, Annotations: annotations,
	}
}

func keyless(roots ...string) evidence.Wanted {
	if len(roots) == 0 {
		roots = []string{evidence.DefaultTrustRoot}
	}
	return evidence.Wanted{Keyless: roots}
}

// logged wants keys with a log entry.
func logged(t testing.TB, keys ...*sigstore.Key) evidence.Wanted {
	return keysWanted(t, evidence.WantedKey{TrustRoots: []string{evidence.DefaultTrustRoot}}, keys...)
}

// unlogged wants keys with or without a log entry, and the time if it can be had.
func unlogged(t testing.TB, keys ...*sigstore.Key) evidence.Wanted {
	return keysWanted(t, evidence.WantedKey{TrustRoots: []string{evidence.DefaultTrustRoot}, AllowUnlogged: true}, keys...)
}

// wanting wants the content of attestations besides.
func wanting(wanted evidence.Wanted, predicates ...string) evidence.Wanted {
	wanted.Predicates = predicates
	return wanted
}

// bare wants keys and nothing else.
func bare(t testing.TB, keys ...*sigstore.Key) evidence.Wanted {
	return keysWanted(t, evidence.WantedKey{AllowUnlogged: true}, keys...)
}

func keysWanted(t testing.TB, like evidence.WantedKey, keys ...*sigstore.Key) (wanted evidence.Wanted) {
	for _, key := range keys {
		like.PublicKey = publicKey(t, key)
		wanted.Keys = append(wanted.Keys, like)
	}
	return wanted
}

func publicKey(t testing.TB, key *sigstore.Key) evidence.PublicKey {
	t.Helper()
	return parsedKey(t, must(key.PEM())(t))
}

func parsedKey(t testing.TB, pem []byte) evidence.PublicKey {
	t.Helper()
	return must(evidence.ParsePublicKeys(string(pem)))(t)[0]
}

func digestOf(t testing.TB, content []byte) chart.Digest {
	t.Helper()
	sum := sha256.Sum256(content)
	return must(chart.ParseDigest("sha256:" + hex.EncodeToString(sum[:])))(t)
}

// edit changes JSON.
func edit(t testing.TB, raw []byte, change func(map[string]any)) []byte {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal(raw, &object); err != nil {
		t.Fatal(err)
	}
	change(object)
	return must(json.Marshal(object))(t)
}

// at walks down maps and, by "0", the first elements of lists.
func at(object any, path ...string) map[string]any {
	for _, step := range path {
		if list, ok := object.([]any); ok {
			object = list[0]
			continue
		}
		object = object.(map[string]any)[step]
	}
	return object.(map[string]any)
}

func annotate(m attachment.Attachment, key, value string) attachment.Attachment {
	m.Annotations = maps.Clone(m.Annotations)
	m.Annotations[key] = value
	return m
}

func without(m attachment.Attachment, keys ...string) attachment.Attachment {
	m.Annotations = maps.Clone(m.Annotations)
	for _, key := range keys {
		delete(m.Annotations, key)
	}
	return m
}

func compare(t *testing.T, want, got evidence.Evidence) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(evidence.Evidence{}, chart.Digest{})); diff != "" {
		t.Errorf("evidence (-want +got):\n%s", diff)
	}
}

// wantRejection wants no evidence, and the rejection with this detail.
func wantRejection(t *testing.T, got evidence.Evidence, err error, reason verdict.Reason, detail string) {
	t.Helper()
	compare(t, evidence.Evidence{}, got)
	var rejection *verdict.Rejection
	if !errors.As(err, &rejection) {
		t.Fatalf("got error %v, want a rejection (%s: %s)", err, reason, detail)
	}
	if rejection.Reason != reason || !strings.Contains(rejection.Detail, detail) {
		t.Errorf("got %s: %s\nwant %s: %s\ncause: %v", rejection.Reason, rejection.Detail, reason, detail, rejection.Err)
	}
	if len(rejection.Detail) > 200 || strings.Contains(rejection.Detail, "\n") {
		t.Errorf("detail is not a short clause: %s", rejection.Detail)
	}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
