package registry

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"syscall"
	"time"
)

// retryOnce repeats a request that may well succeed the second time, if there is
// time for that. More would use up the deadline that other charts need.
type retryOnce struct{ next http.RoundTripper }

func (t *retryOnce) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(req)
	wait, worthwhile := retryAfter(resp, err)
	hasBody := req.Body != nil && req.Body != http.NoBody
	if !worthwhile || hasBody || !fits(req.Context(), wait) {
		return resp, err
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-req.Context().Done():
		return nil, req.Context().Err()
	case <-timer.C:
		return t.next.RoundTrip(req)
	}
}

// retryAfter returns whether a retry is worthwhile, and when.
func retryAfter(resp *http.Response, err error) (time.Duration, bool) {
	if err != nil {
		broken := errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
			errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		return retryWait, broken
	}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
	default:
		return 0, false
	}
	header := resp.Header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(header, 10, 16); err == nil {
		return max(time.Duration(seconds)*time.Second, retryWait), true
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(time.Until(at), retryWait), true
	}
	return retryWait, true
}

// fits reports whether ctx leaves time for a wait and at least as much for an
// answer as the shortest wait.
func fits(ctx context.Context, wait time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return wait <= maxRetryWait && (!ok || time.Until(deadline) > wait+retryWait)
}
