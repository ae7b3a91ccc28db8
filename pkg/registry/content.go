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

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/sourceauth"
)

const (
	mediaTypeManifest       = ocispec.MediaTypeImageManifest
	mediaTypeIndex          = ocispec.MediaTypeImageIndex
	mediaTypeDockerManifest = "application/vnd.docker.distribution.manifest.v2+json"

	// What helm, through oras, says that it accepts, so that a registry which
	// negotiates shows chartgate what it shows helm.
	acceptManifests = mediaTypeDockerManifest +
		", " + mediaTypeDockerList + ", " +
		mediaTypeManifest + ", " + mediaTypeIndex +
		", " + mediaTypeOrasManifest
)

// answer is content as a registry served it, under the digest that it has.
type answer struct {
	mediaType string
	digest    chart.Digest
	body      []byte
}

// manifest reads the manifest under a tag or a digest.
func (r *repository) manifest(ctx context.Context, reference string) (answer, error) {
	return r.get(ctx, "manifests/", reference, maxManifest)
}

// blob reads the content of a descriptor, which must promise no more than limit.
func (r *repository) blob(ctx context.Context, d ocispec.Descriptor, limit int64) (answer, error) {
	promised, err := chart.ParseDigest(d.Digest.String())
	switch {
	case err != nil:
		return answer{}, fault{problem.KindInvalid, "its digest is not a sha256 digest"}
	case d.Size > limit:
		return answer{}, fault{problem.KindLimitExceeded, fmt.Sprintf("it has more than the %d KiB that chartgate reads", limit>>10)}
	}
	return r.get(ctx, "blobs/", promised.String(), limit)
}

// bulk reads like blob what may be larger than most material. Few such contents of one
// host are in memory at the same time: done is to be called when this one is not.
func (r *repository) bulk(ctx context.Context, d ocispec.Descriptor, limit int64) (found answer, done func(), err error) {
	done = func() {}
	if d.Size > 0 {
		limit = min(limit, max(d.Size, maxBundle))
	}
	if limit > maxBundle {
		if done, err = r.client.bulky.acquire(ctx, r.at.Host()+r.link.lane, r.share()); err != nil {
			return answer{}, func() {}, err
		}
	}
	if found, err = r.blob(ctx, d, limit); err != nil {
		done()
		done = func() {}
	}
	return found, done, err
}

// get reads content with one request. (oras's Fetch and FetchReference may need a
// second one, and report lies about digests as errors without a type.)
func (r *repository) get(ctx context.Context, kind, reference string, limit int64) (answer, error) {
	ctx = auth.AppendRepositoryScope(allow(r.asking(ctx), allowance{bytes: limit, by: r.share()}), r.reference(), auth.ActionPull)
	target := r.scheme() + "://" + r.reference().Host() + r.path(kind+reference)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return answer{}, err
	}
	if kind == "manifests/" {
		req.Header.Set("Accept", acceptManifests)
	}
	resp, err := r.link.web.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, err
	}
	status := &errcode.ErrorResponse{Method: req.Method, URL: req.URL, StatusCode: resp.StatusCode}
	switch {
	case resp.StatusCode == http.StatusOK:
		return r.readAnswer(resp.Header, body, kind, reference)
	case resp.StatusCode == http.StatusNotFound:
		return answer{}, errdef.ErrNotFound
	case resp.StatusCode == http.StatusTooManyRequests:
		return answer{}, tooOften{status, resp.Header.Get("Retry-After")}
	case r.scheme() == "http" && toHTTPS(resp.StatusCode, body):
		return answer{}, advice{fault{problem.KindUnavailable, speaksHTTPS}, r.notPlain()}
	default:
		return answer{}, status
	}
}

// readAnswer tells a web page from a manifest. What should have a digest and has another one is told
// as that, whatever it is.
func (r *repository) readAnswer(header http.Header, body []byte, kind, reference string) (answer, error) {
	found, err := newAnswer(header, body, reference)
	mediaType, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	if isPage(mediaType) && kind == "manifests/" && !strings.Contains(reference, ":") {
		return answer{}, aPage(r.at.Host())
	}
	return found, err
}

// newAnswer computes the digest of the body. It must be the one asked for, and the
// one in the header: registries have shown one digest and served other content
// (CVE-2023-47630).
func newAnswer(header http.Header, body []byte, reference string) (answer, error) {
	sum := sha256.Sum256(body)
	computed, err := chart.ParseDigest("sha256:" + hex.EncodeToString(sum[:]))
	if err != nil {
		return answer{}, err
	}
	if strings.Contains(reference, ":") && reference != computed.String() {
		return answer{}, fault{problem.KindDigestMismatch, "the registry serves content with the digest " + computed.String()}
	}
	if shown := header.Get("Docker-Content-Digest"); shown != "" {
		d, err := digest.Parse(shown)
		if err != nil || d != d.Algorithm().FromBytes(body) {
			return answer{}, fault{problem.KindDigestMismatch, "the registry shows the digest " + chart.Quote(shown) + " for content with the digest " + computed.String()}
		}
	}
	mediaType, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		mediaType = ""
	}
	return answer{mediaType: mediaType, digest: computed, body: body}, nil
}

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
