package kms

import (
	"context"

	"github.com/sigstore/sigstore/pkg/signature/kms/gcp"
	"google.golang.org/api/option"
	transport "google.golang.org/api/transport/grpc"
)

// Of Cloud KMS, as its client has them.
const (
	gcpEndpoint = "cloudkms.googleapis.com:443"
	gcpScope    = "https://www.googleapis.com/auth/cloudkms"
)

// readGCP dials by itself, because sigstore's client can neither be closed nor told when
// to give up: closing the connection does both.
func readGCP(ctx context.Context, uri string) (string, error) {
	if err := gcp.ValidReference(uri); err != nil {
		return "", malformed("gcpkms://projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY, with /cryptoKeyVersions/VERSION or without", err)
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
