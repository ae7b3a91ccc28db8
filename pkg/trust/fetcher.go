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

// fetcher is how one update asks a mirror. It is not safe for concurrent use.
type fetcher struct {
	ctx     context.Context
	client  *http.Client
	offline bool
	// file is the last one that was asked for.
	file string
	// target is set once all metadata are there.
	target bool
	// asked is set once something was asked for, failed if the last answer was none.
	asked, failed bool
}

// newClient goes through the proxy that the environment names. A mirror may not unpack answers in our memory.
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

// checkRedirect ends loops and downgrades.
func checkRedirect(req *http.Request, via []*http.Request) error {
	switch {
	case len(via) > maxRedirects:
		return fault{fmt.Sprintf("it redirects more than %d times", maxRedirects)}
	case via[len(via)-1].URL.Scheme == "https" && req.URL.Scheme != "https":
		return fault{"it redirects from HTTPS to plain HTTP"}
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
	// The metadata themselves say how long the next file is.
	limit = min(limit, f.most())
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
		return nil, &tooLong{file: f.file, limit: limit}
	}
	if !f.target && !isMetadata(body) {
		return nil, fault{f.file + " is not TUF metadata"}
	}
	f.failed = false
	return body, nil
}

// isMetadata reports whether raw has the outline of TUF metadata. go-tuf panics where it has not.
func isMetadata(raw []byte) bool {
	var outline struct {
		Signed *struct {
			Type string `json:"_type"`
		} `json:"signed"`
		Signatures []json.RawMessage `json:"signatures"`
	}
	return json.Unmarshal(raw, &outline) == nil && outline.Signed != nil && outline.Signed.Type != ""
}

// status is how go-tuf wants to be told. Object stores answer 403 for what does not exist to who may not list; behind the
// newest root that is the end of the chain.
func (f *fetcher) status(code int, address string) error {
	if code == http.StatusForbidden && strings.HasSuffix(f.file, ".root.json") {
		code = http.StatusNotFound
	}
	return &metadata.ErrDownloadHTTP{StatusCode: code, URL: address}
}

// most is how long the file may be, whatever the metadata say.
func (f *fetcher) most() int64 {
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
