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

const (
	// retryWait is the pause before the one retry if the registry does not name a pause.
	retryWait = 200 * time.Millisecond
	// maxRetryWait is the longest pause that the registry may name (Retry-After).
	maxRetryWait = 5 * time.Second
)

// withRetry sends a request a second time if that is likely to succeed and there is time for it:
// after 429, 502, 503 or 504, and after a connection that was reset or closed. It sends no request
// a third time: that would use up the time that other charts of the same admission need. Requests
// with a body (logins) and speculative requests are not repeated.
func withRetry(next http.RoundTripper) http.RoundTripper {
	return roundTripFunc(func(req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		wait, transient := retryAfter(resp, err)
		hasBody := req.Body != nil && req.Body != http.NoBody
		if !transient || hasBody || optionsOf(req.Context()).speculative || !leavesTime(req.Context(), wait) {
			return resp, err
		}
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-req.Context().Done():
			return nil, req.Context().Err()
		case <-timer.C:
			return next.RoundTrip(req)
		}
	})
}

// retryAfter returns whether what happened is transient, and the pause before a retry.
func retryAfter(resp *http.Response, err error) (time.Duration, bool) {
	if err != nil {
		brokenOff := errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
			errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		return retryWait, brokenOff
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

// leavesTime reports whether ctx leaves time for a pause and, after it, at least retryWait for the
// answer.
func leavesTime(ctx context.Context, wait time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return wait <= maxRetryWait && (!ok || time.Until(deadline) > wait+retryWait)
}
