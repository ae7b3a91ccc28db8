// Package signature verifies attachments of charts, signatures and attestations, against trust
// roots. The result is evidence of who signed what. It is the only importer of cosign and sigstore:
// sigstore-go verifies bundles, and cosign/v2 the legacy formats. This package parses attachments
// within limits before it passes them on, and does the checks that these libraries leave out.
//
// Signatures and attestations have two formats each: sigstore bundles, and the legacy format of
// cosign 2. Each trust root is used separately, so that evidence never combines what two of them
// prove.
//
// It fetches nothing: transparency log entries, certificate timestamps and signing times are
// verified offline, from the attachment itself.
//
// The claims of a keyless signer are the extensions of its Fulcio certificate, under sigstore-go's
// names: issuer, githubWorkflowTrigger, githubWorkflowSHA, githubWorkflowName,
// githubWorkflowRepository, githubWorkflowRef, buildSignerURI, buildSignerDigest,
// runnerEnvironment, sourceRepositoryURI, sourceRepositoryDigest, sourceRepositoryRef,
// sourceRepositoryIdentifier, sourceRepositoryOwnerURI, sourceRepositoryOwnerIdentifier,
// buildConfigURI, buildConfigDigest, buildTrigger, runInvocationURI,
// sourceRepositoryVisibilityAtSigning. Those that a certificate does not carry are absent.
package signature

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
)

// Verifier verifies attachments against trust roots. It is safe for concurrent use.
type Verifier struct{ roots Roots }

// New returns a Verifier.
func New(roots Roots) *Verifier { return &Verifier{roots: roots} }

// stateWithoutRoots is the State where no trust root is needed.
const stateWithoutRoots = "none"

// State identifies the content of the trust roots in wanted; "" if one of them is unavailable.
// Evidence is valid for one state only, so the state is part of a cache's key.
func (v *Verifier) State(ctx context.Context, wanted evidence.Wanted) string {
	state := stateWithoutRoots
	for _, name := range wanted.TrustRoots() {
		found, err := v.roots.Root(ctx, name)
		if err != nil || found.state == "" {
			return ""
		}
		state += fmt.Sprintf(" %q=%s", name, found.state)
	}
	return state
}

// Verify verifies who made the statement in an attachment about the chart with the digest. The
// evidence has one entry for each trust root that proves it; no entry combines two of them. Its
// error is a *verdict.Rejection of this attachment. Only if ctx is done, it is a *problem.Error of
// KindTimeout, because then nothing is known about the attachment.
func (v *Verifier) Verify(
	ctx context.Context, digest chart.Digest, a attachment.Attachment, wanted evidence.Wanted,
) (proven []evidence.Evidence, err error) {
	// cosign and its parsers panic on some malformed inputs.
	defer func() {
		if reason := recover(); reason != nil {
			proven, err = nil, panicked(reason)
		}
	}()
	if digest.IsZero() {
		return nil, internal(errors.New("no digest to verify"))
	}
	if err := ctx.Err(); err != nil {
		return nil, deadlinePassed(err)
	}
	s, err := parse(digest, a)
	if err != nil {
		return nil, err
	}
	names, err := rootsFor(s, wanted)
	if err != nil {
		return nil, claimed(err, s)
	}
	var rejection error
	for _, name := range names {
		found, err := v.verifyWith(ctx, name, s, wanted)
		switch {
		case err == nil:
			proven = appendNew(proven, found.evidence(digest, a.Format, name))
		case ctx.Err() != nil:
			return nil, deadlinePassed(ctx.Err())
		case rejection == nil || rank(err) > rank(rejection):
			rejection = err
		}
	}
	if len(proven) == 0 {
		return nil, claimed(rejection, s)
	}
	return proven, nil
}

// parse reads an attachment. Nothing in it is proven yet.
func parse(digest chart.Digest, a attachment.Attachment) (unverified, error) {
	switch a.Format {
	case attachment.Bundle:
		return parseBundle(digest, a)
	case attachment.Legacy:
		return parseLegacy(digest, a)
	case attachment.LegacyAttestation:
		return parseLegacyAttestation(digest, a)
	default:
		return nil, internal(fmt.Errorf("attachment %s is in an %s", a.Source, a.Format))
	}
}

// rootsFor returns the names of the trust roots that may prove the attachment, at least one; ""
// stands for keys that need no trust root.
func rootsFor(s unverified, wanted evidence.Wanted) ([]string, error) {
	byCertificate := s.certificate() != nil
	switch {
	case byCertificate && len(wanted.Keyless) > 0:
		return wanted.Keyless, nil
	case byCertificate:
		return nil, invalid("made with a certificate, while the policy trusts keys only", nil)
	case len(wanted.Keys) == 0:
		return nil, invalid("made with a key, while the policy trusts certificates only", nil)
	}
	var names []string
	for _, key := range wanted.Keys {
		names = append(names, key.TrustRoots...)
		if len(key.TrustRoots) == 0 {
			names = append(names, "")
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// verifyWith verifies with one trust root.
func (v *Verifier) verifyWith(ctx context.Context, name string, s unverified, wanted evidence.Wanted) (proof, error) {
	t := v.trustRoot(ctx, name)
	var p proof
	var err error
	if s.certificate() != nil {
		p, err = t.byCertificate(ctx, s, slices.Contains(wanted.KeylessUnlogged, name))
	} else {
		p, err = t.byKeys(ctx, s, keysOf(name, wanted))
	}
	if err != nil || !slices.Contains(wanted.Predicates, p.predicateType) {
		p.predicate = nil
		return p, err
	}
	return p, checkPredicate(p.predicate)
}

// keysOf returns the keys whose signatures the trust root may prove; for "", those that need no
// trust root.
func keysOf(name string, wanted evidence.Wanted) []evidence.WantedKey {
	var keys []evidence.WantedKey
	for _, key := range wanted.Keys {
		if slices.Contains(key.TrustRoots, name) || name == "" && len(key.TrustRoots) == 0 {
			keys = append(keys, key)
		}
	}
	return keys
}

// appendNew adds evidence. Evidence without a trust root is added once, because it is always the
// same.
func appendNew(all []evidence.Evidence, e evidence.Evidence) []evidence.Evidence {
	if e.TrustRoot == "" && slices.ContainsFunc(all, func(other evidence.Evidence) bool { return other.TrustRoot == "" }) {
		return all
	}
	return append(all, e)
}

// unverified is a parsed attachment. Nothing in it is proven.
type unverified interface {
	// certificate is nil if the attachment was signed with a key.
	certificate() *x509.Certificate
	// logs are the identifiers, in hexadecimal, of the logs that the log entries name.
	logs() []string
	// verify verifies the signature over the digest and everything in checks. For a certificate,
	// this always includes its issuer, the promise of the certificate transparency log, if the
	// trust root has such a log, and that the certificate was valid at every time that the trust
	// root proves. At least one time is required.
	verify(ctx context.Context, c checks) (proof, error)
}

// checks are the requirements for a signature.
type checks struct {
	trust root.TrustedMaterial
	key   signature.Verifier // nil: the signature is by the certificate
	log   bool               // it must be in a transparency log of the trust root
}

// scts is the number of promises by certificate transparency logs that a certificate needs. A
// Sigstore instance without such a log (GitHub's, for example) issues certificates without a
// promise, and its trust root has no log to verify one.
func (c checks) scts() int { return min(1, len(c.trust.CTLogs())) }

// proof is what was verified about an attachment.
type proof struct {
	signedContent
	summary  *certificate.Summary // of the verified certificate; nil for a key
	signer   evidence.Signer
	logged   bool
	signedAt time.Time // zero if no time is proven
}

// evidence returns the proof as evidence. It names the trust root only if the trust root proves a
// log entry or a time. For a certificate it always proves a time.
func (p proof) evidence(digest chart.Digest, format attachment.Format, trustRoot string) evidence.Evidence {
	proven := evidence.New(digest, p.kind, p.signer)
	proven.Predicate, proven.Content, proven.Format = p.predicateType, p.predicate, format
	proven.Logged, proven.SignedAt = p.logged, p.signedAt.UTC()
	if p.logged || !p.signedAt.IsZero() {
		proven.TrustRoot = trustRoot
	}
	return proven
}
