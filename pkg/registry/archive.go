package registry

import (
	"context"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

// Archive returns the archive of a resolved chart, which has the digest of its layer.
func (c *Client) Archive(ctx context.Context, resolved chart.Resolved, access sourceauth.Auth) ([]byte, error) {
	r, err := c.repository(ctx, resolved.Location, access)
	if err != nil {
		return nil, err
	}
	leave, err := r.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	found, done, err := r.bulk(ctx, ocispec.Descriptor{Digest: digest.Digest(resolved.Layer.String())}, maxArchive)
	defer done()
	if err != nil {
		return nil, r.problem(ctx, "the archive of "+resolved.Location.String()+"@"+resolved.Digest.String(), err)
	}
	return found.body, nil
}
