// Package kms reads public keys from key management services. It is the only importer of their
// clients, and never asks a service to sign, to verify or to decrypt.
package kms

import (
	"context"
	"crypto"
	"errors"
	"strings"
	"time"

	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature/kms/aws"
	"github.com/sigstore/sigstore/pkg/signature/kms/azure"
	"github.com/sigstore/sigstore/pkg/signature/kms/gcp"
	"github.com/sigstore/sigstore/pkg/signature/kms/hashivault"
	"github.com/sigstore/sigstore/pkg/signature/options"
	"google.golang.org/api/option"
	transport "google.golang.org/api/transport/grpc"

	"github.com/chartgate/chartgate/pkg/coalesce"
	"github.com/chartgate/chartgate/pkg/problem"
)

// readTimeout limits one read with its retries. No admission waits for it: keys are read in the
// background.
const readTimeout = 10 * time.Second

// Reader reads public keys with the credentials in its environment, which it reads again each
// time because tokens may be rotated. It is safe for concurrent use.
type Reader struct {
	timeout time.Duration
	reads   *coalesce.Group[string, string] // by URI
}

// NewReader returns a Reader.
func NewReader() *Reader { return newReader(readTimeout) }

func newReader(timeout time.Duration) *Reader {
	return &Reader{timeout: timeout, reads: coalesce.New[string, string](timeout)}
}

// PublicKeys returns the public keys of a URI as PEM blocks. For hashivault these are all versions
// that Vault accepts for verification; otherwise the version in the URI, or the newest one. Its
// error is a *problem.Error.
func (r *Reader) PublicKeys(ctx context.Context, uri string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	// Not every client stops with its context. One that hangs is left behind by Do.
	text, err := r.reads.Do(ctx, uri, func(ctx context.Context) (string, error) { return read(ctx, uri) })
	if err != nil {
		return "", classify(err, r.timeout)
	}
	return text, nil
}

func read(ctx context.Context, uri string) (string, error) {
	scheme, _, _ := strings.Cut(uri, "://")
	switch scheme + "://" {
	case aws.ReferenceScheme:
		return readAWS(ctx, uri)
	case azure.ReferenceScheme:
		return readAzure(ctx, uri)
	case gcp.ReferenceScheme:
		return readGCP(ctx, uri)
	case hashivault.ReferenceScheme:
		return readVault(ctx, uri)
	default:
		return "", &problem.Error{
			Kind: problem.KindUnsupported, Detail: "the URI must begin with awskms://, azurekms://, gcpkms:// or hashivault://",
		}
	}
}

// malformed is the error for a URI that is not valid for its service.
func malformed(want string, err error) error {
	return &problem.Error{Kind: problem.KindInvalid, Detail: "the URI is not of the form " + want, Err: err}
}

func readAWS(ctx context.Context, uri string) (string, error) {
	if err := aws.ValidReference(uri); err != nil {
		return "", malformed("awskms://[ENDPOINT]/ID, with a key's ID or ARN, or alias/NAME or its ARN", err)
	}
	key, err := aws.LoadSignerVerifier(ctx, uri)
	if err != nil {
		return "", err
	}
	return encode(key.PublicKey(options.WithContext(ctx)))
}

func readAzure(ctx context.Context, uri string) (string, error) {
	if err := azure.ValidReference(uri); err != nil {
		return "", malformed("azurekms://VAULT_HOST/KEY or azurekms://VAULT_HOST/KEY/VERSION", err)
	}
	key, err := azure.LoadSignerVerifier(ctx, uri)
	if err != nil {
		return "", err
	}
	return encode(key.PublicKey())
}

// The endpoint and the scope of Cloud KMS, as in its client.
const (
	gcpEndpoint = "cloudkms.googleapis.com:443"
	gcpScope    = "https://www.googleapis.com/auth/cloudkms"
)

// readGCP makes the connection itself. sigstore's client has no Close and takes no context; closing
// its connection does the work of both.
func readGCP(ctx context.Context, uri string) (string, error) {
	if err := gcp.ValidReference(uri); err != nil {
		return "", malformed("gcpkms://projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY, with or without /cryptoKeyVersions/VERSION", err)
	}
	connection, err := transport.Dial(ctx, option.WithEndpoint(gcpEndpoint), option.WithScopes(gcpScope))
	if err != nil {
		return "", err
	}
	defer context.AfterFunc(ctx, func() { _ = connection.Close() })()
	defer func() { _ = connection.Close() }()
	key, err := gcp.LoadSignerVerifier(ctx, uri, option.WithGRPCConn(connection))
	if err != nil {
		return "", err
	}
	return encode(key.PublicKey())
}

// encode encodes what PublicKey of a sigstore client returns.
func encode(key crypto.PublicKey, err error) (string, error) {
	switch {
	case err != nil:
		return "", err
	case key == nil:
		return "", errors.New("no key and no error")
	}
	text, err := cryptoutils.MarshalPublicKeyToPEM(key)
	return string(text), err
}
