package trust

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// fetcher gets the files of one update from a mirror. It is not safe for concurrent use.
type fetcher struct {
	ctx     context.Context
	client  *http.Client
	offline bool
	// file is the one that was requested last.
	file string
	// target is set when all metadata have been read.
	target bool
	// asked is set when a file has been requested, failed if the last request brought no file.
	asked, failed bool
}

// newClient uses the proxy in the environment. It does not decompress answers, whose size would not
// be limited then.
func newClient(cas *x509.CertPool) *http.Client {
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		TLSClientConfig:        &tls.Config{RootCAs: cas, MinVersion: tls.VersionTLS12},
		DialContext:            (&net.Dialer{Timeout: requestTimeout / 2}).DialContext,
		TLSHandshakeTimeout:    requestTimeout / 2,
		MaxResponseHeaderBytes: 64 << 10,
		IdleConnTimeout:        requestTimeout,
		MaxIdleConnsPerHost:    1,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
	}
	return &http.Client{Transport: transport, Timeout: requestTimeout, CheckRedirect: checkRedirect}
}

// checkRedirect refuses loops and redirects to plain HTTP.
func checkRedirect(req *http.Request, via []*http.Request) error {
	switch {
	case len(via) > maxRedirects:
		return mirrorError{fmt.Sprintf("it redirects more than %d times", maxRedirects)}
	case via[len(via)-1].URL.Scheme == "https" && req.URL.Scheme != "https":
		return mirrorError{"it redirects from HTTPS to plain HTTP"}
	default:
		return nil
	}
}

// DownloadFile implements fetcher.Fetcher of go-tuf.
func (f *fetcher) DownloadFile(address string, limit int64, _ time.Duration) ([]byte, error) {
	f.file, f.asked, f.failed = path.Base(address), true, true
	if f.offline {
		return nil, errors.New("the cache does not hold it")
	}
	// The metadata of the mirror say how long the next file is, so they do not limit it.
	limit = min(limit, f.maxSize())
	req, err := http.NewRequestWithContext(f.ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "chartgate")
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, f.status(resp.StatusCode, address)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(body)) > limit:
		return nil, &sizeError{file: f.file, limit: limit}
	}
	if !f.target && !isMetadata(body) {
		return nil, mirrorError{f.file + " is not TUF metadata"}
	}
	f.failed = false
	return body, nil
}

// isMetadata reports whether raw has the structure of TUF metadata. go-tuf panics on anything else.
func isMetadata(raw []byte) bool {
	var outline struct {
		Signed *struct {
			Type string `json:"_type"`
		} `json:"signed"`
		Signatures []json.RawMessage `json:"signatures"`
	}
	return json.Unmarshal(raw, &outline) == nil && outline.Signed != nil && outline.Signed.Type != ""
}

// status returns a status code as the error that go-tuf expects. Object stores answer 403 for a
// file that does not exist, if the client may not list. After the newest root, that is the end of
// the chain.
func (f *fetcher) status(code int, address string) error {
	if code == http.StatusForbidden && strings.HasSuffix(f.file, ".root.json") {
		code = http.StatusNotFound
	}
	return &metadata.ErrDownloadHTTP{StatusCode: code, URL: address}
}

// maxSize is the limit for the file, whatever the metadata say.
func (f *fetcher) maxSize() int64 {
	if f.target {
		return maxTrustedRoot
	}
	for suffix, limit := range map[string]int64{
		"root.json": maxRoot, "timestamp.json": maxTimestamp, "snapshot.json": maxSnapshot,
	} {
		if f.file == suffix || strings.HasSuffix(f.file, "."+suffix) {
			return limit
		}
	}
	return maxTargets
}
