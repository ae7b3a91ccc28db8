package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"iter"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// errOffline marks verdicts that need a registry.
var errOffline = errors.New("no registry is asked (--offline)")

// offline is the gate's registry, verifier and KMS where none may be asked. Every question about
// a chart fails with errOffline, so a gate with it admits only what needs no evidence.
type offline struct{}

func (offline) refuse() error {
	return &problem.Error{Kind: problem.KindUnavailable, Detail: errOffline.Error(), Err: errOffline}
}

// Resolve implements gate.Registry.
func (o offline) Resolve(context.Context, chart.Reference, sourceauth.Auth) (artifact.Resolved, error) {
	return artifact.Resolved{}, o.refuse()
}

// Artifact implements gate.Registry.
func (o offline) Artifact(context.Context, chart.Reference, sourceauth.Auth, artifact.LayerRule) (artifact.Resolved, error) {
	return artifact.Resolved{}, o.refuse()
}

// Signatures implements gate.Registry.
func (o offline) Signatures(context.Context, artifact.Resolved, attachment.Search) iter.Seq2[attachment.Attachment, error] {
	return func(yield func(attachment.Attachment, error) bool) { yield(attachment.Attachment{}, o.refuse()) }
}

// Archive implements gate.Registry.
func (o offline) Archive(context.Context, artifact.Resolved, sourceauth.Auth) ([]byte, error) {
	return nil, o.refuse()
}

// Tags implements gate.Registry.
func (o offline) Tags(context.Context, chart.Location) ([]string, error) { return nil, o.refuse() }

// State implements gate.Verifier.
func (offline) State(context.Context, evidence.Wanted) string { return "" }

// Verify implements gate.Verifier.
func (o offline) Verify(context.Context, chart.Digest, attachment.Attachment, evidence.Wanted) ([]evidence.Evidence, error) {
	return nil, o.refuse()
}

// PublicKeys implements keys.KMS. A policy with a key in a KMS compiles with a key that signs nothing.
func (offline) PublicKeys(context.Context, string) (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), nil
}
