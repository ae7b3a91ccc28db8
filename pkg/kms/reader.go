package kms

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature/kms/aws"
	"github.com/sigstore/sigstore/pkg/signature/kms/azure"
	"github.com/sigstore/sigstore/pkg/signature/kms/gcp"
	"github.com/sigstore/sigstore/pkg/signature/kms/hashivault"
	"github.com/sigstore/sigstore/pkg/signature/options"

	"github.com/chartgate/chartgate/pkg/chart"
)

// readTimeout bounds one read with its repetitions. Nobody waits for it: keys are read
// beside admissions.
const readTimeout = 10 * time.Second

// Reader reads public keys with the credentials that the environment holds, which it looks
// for anew at each read: tokens may be rotated. It is safe for concurrent use.
type Reader struct{ timeout time.Duration }

// NewReader returns a Reader.
func NewReader() *Reader { return &Reader{timeout: readTimeout} }

// PublicKeys returns the public keys of a URI as PEM blocks: of hashivault all versions
// that Vault still lets verify, else the version in the URI or the newest. Its error is a
// *chart.Problem.
func (r *Reader) PublicKeys(ctx context.Context, uri string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	type answer struct {
		text string
		err  error
	}
	// Not every client gives up with the context: one that hangs is left behind.
	answers := make(chan answer, 1)
	go func() {
		text, err := read(ctx, uri)
		answers <- answer{text, err}
	}()
	var given answer
	select {
	case given = <-answers:
	case <-ctx.Done():
		given.err = ctx.Err()
	}
	if given.err != nil {
		return "", problem(given.err, r.timeout)
	}
	return given.text, nil
}

func read(ctx context.Context, uri string) (text string, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			text, err = "", fmt.Errorf("panic: %v", reason)
		}
	}()
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
		return "", &chart.Problem{
			Kind: chart.KindUnsupported, Detail: "the URI begins with none of awskms://, azurekms://, gcpkms:// and hashivault://",
		}
	}
}

// malformed is the problem of a URI that its service cannot mean.
func malformed(want string, err error) error {
	return &chart.Problem{Kind: chart.KindInvalid, Detail: "the URI is not of the form " + want, Err: err}
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

// encode takes what PublicKey of a sigstore client returns.
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
