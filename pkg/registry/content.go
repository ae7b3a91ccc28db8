package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

const (
	mediaTypeManifest       = ocispec.MediaTypeImageManifest
	mediaTypeIndex          = ocispec.MediaTypeImageIndex
	mediaTypeDockerManifest = "application/vnd.docker.distribution.manifest.v2+json"

	// What helm, through oras, says that it accepts, so that a registry which negotiates shows
	// chartgate what it shows helm.
	acceptManifests = mediaTypeDockerManifest +
		", " + mediaTypeDockerList + ", " +
		mediaTypeManifest + ", " + mediaTypeIndex +
		", " + mediaTypeOrasManifest
)

// content is a manifest or blob as a registry served it, with the digest that it has.
type content struct {
	mediaType string
	digest    chart.Digest
	body      []byte
}

// Archive returns the archive of a resolved chart, which has the digest of its layer.
func (c *Client) Archive(ctx context.Context, resolved artifact.Resolved, access sourceauth.Auth) ([]byte, error) {
	r, err := c.repository(ctx, resolved.Location, access)
	if err != nil {
		return nil, err
	}
	leave, err := r.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	found, done, err := r.largeBlob(ctx, ocispec.Descriptor{Digest: digest.Digest(resolved.Layer.String())}, maxArchive)
	defer done()
	if err != nil {
		return nil, r.problem(ctx, "the archive of "+resolved.Location.String()+"@"+resolved.Digest.String(), err)
	}
	return found.body, nil
}

// manifest reads the manifest under a tag or a digest.
func (r *repository) manifest(ctx context.Context, reference string) (content, error) {
	return r.get(ctx, "manifests/"+reference, requestOptions{maxBytes: maxManifest})
}

// blob reads the content of a descriptor, whose size must not exceed limit.
func (r *repository) blob(ctx context.Context, d ocispec.Descriptor, limit int64) (content, error) {
	wanted, err := chart.ParseDigest(d.Digest.String())
	switch {
	case err != nil:
		return content{}, requestError{problem.KindInvalid, "its digest is not a sha256 digest", ""}
	case d.Size > limit:
		return content{}, requestError{problem.KindLimitExceeded, fmt.Sprintf("it has more than the %d KiB that chartgate reads", limit>>10), ""}
	}
	return r.get(ctx, "blobs/"+wanted.String(), requestOptions{maxBytes: limit})
}

// largeBlob is blob for content that may be larger than a bundle. Few such contents of one host are
// in memory at the same time: done must be called when the content is no longer needed.
func (r *repository) largeBlob(ctx context.Context, d ocispec.Descriptor, limit int64) (found content, done func(), err error) {
	done = func() {}
	if d.Size > 0 {
		limit = min(limit, max(d.Size, maxBundle))
	}
	if limit > maxBundle {
		if done, err = r.client.large.acquire(ctx, r.limitKey(), r.share()); err != nil {
			return content{}, func() {}, err
		}
	}
	if found, err = r.blob(ctx, d, limit); err != nil {
		done()
		done = func() {}
	}
	return found, done, err
}

// get reads what is below the repository's path, "manifests/…" or "blobs/…", with one request.
// (oras's Fetch and FetchReference may need a second one, and report digests that differ as errors
// without a type.)
func (r *repository) get(ctx context.Context, below string, options requestOptions) (content, error) {
	ctx = auth.AppendRepositoryScope(r.options(ctx, options), r.reference(), auth.ActionPull)
	target := r.scheme() + "://" + r.reference().Host() + r.path(below)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return content{}, err
	}
	if isManifestPath(below) {
		req.Header.Set("Accept", acceptManifests)
	}
	resp, err := r.host.http.Do(req)
	if err != nil {
		return content{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return content{}, err
	}
	status := &errcode.ErrorResponse{Method: req.Method, URL: req.URL, StatusCode: resp.StatusCode}
	switch {
	case resp.StatusCode == http.StatusOK:
		r.observeLogin(resp)
		return r.content(resp.Header, body, below)
	case resp.StatusCode == http.StatusNotFound:
		return content{}, errdef.ErrNotFound
	case resp.StatusCode == http.StatusTooManyRequests:
		return content{}, requestError{problem.KindUnavailable, tooManyRequests, r.slowDown(resp.Header.Get("Retry-After"))}
	case r.scheme() == "http" && saysHTTPS(resp.StatusCode, body):
		return content{}, requestError{problem.KindUnavailable, speaksHTTPS, r.removePlainHTTP()}
	default:
		return content{}, status
	}
}

// options adds to a context the options of a request to the repository.
func (r *repository) options(ctx context.Context, o requestOptions) context.Context {
	o.at, o.share = r.at, r.share()
	return withOptions(ctx, o)
}

// observeLogin records a host that answers without a login.
func (r *repository) observeLogin(resp *http.Response) {
	if resp.Request != nil && resp.Request.URL.Host == r.reference().Host() && resp.Request.Header.Get("Authorization") == "" {
		r.client.anonymous.Add(r.key(), struct{}{})
	}
}

// loggedIn reports whether requests to the repository probably need no new token.
func (r *repository) loggedIn() bool {
	return r.host.tokens.has(r.at.Path()) || r.client.anonymous.Contains(r.key())
}

func isManifestPath(below string) bool { return strings.HasPrefix(below, "manifests/") }

// content returns a body that the registry served for a request. A web page instead of a manifest
// by tag is an error of its own; with a digest, the difference of the digests is the error.
func (r *repository) content(header http.Header, body []byte, below string) (content, error) {
	_, reference, _ := strings.Cut(below, "/")
	mediaType, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	if isWebPage(mediaType) && isManifestPath(below) && !strings.Contains(reference, ":") {
		return content{}, webPage(r.at.Host())
	}
	return newContent(header, body, reference)
}

// newContent computes the digest of the body. It must be the digest in the reference, if that is a
// digest, and the one in the header: registries have shown one digest and served other content
// (CVE-2023-47630).
func newContent(header http.Header, body []byte, reference string) (content, error) {
	sum := sha256.Sum256(body)
	computed, err := chart.ParseDigest("sha256:" + hex.EncodeToString(sum[:]))
	if err != nil {
		return content{}, err
	}
	if strings.Contains(reference, ":") && reference != computed.String() {
		return content{}, requestError{problem.KindDigestMismatch, "the registry serves content with the digest " + computed.String(), ""}
	}
	if shown := header.Get("Docker-Content-Digest"); shown != "" {
		d, err := digest.Parse(shown)
		if err != nil || d != d.Algorithm().FromBytes(body) {
			return content{}, requestError{problem.KindDigestMismatch, "the registry shows the digest " + problem.QuoteInput(shown) + " for content with the digest " + computed.String(), ""}
		}
	}
	mediaType, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		mediaType = ""
	}
	return content{mediaType: mediaType, digest: computed, body: body}, nil
}
