package webhook

import (
	"context"
	"net/http"
	"time"
)

const (
	// defaultTimeout is the API server's own default for webhooks, used if the request does not
	// name one.
	defaultTimeout = 10 * time.Second
	// maxTimeout is the longest that an API server grants.
	maxTimeout = 30 * time.Second
	// margin is what remains of the timeout for our answer to arrive: a message of
	// ours explains more than "context deadline exceeded".
	margin = 500 * time.Millisecond
)

// WithDeadline bounds every request by the timeout that the API server announces in the query, less
// a margin. It ends before that if the client disconnects, so that it holds no slot any more. (The
// server must not end requests when the process is told to stop; net/http's does not.)
func WithDeadline(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), budget(r.URL.Query().Get("timeout")))
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func budget(announced string) time.Duration {
	timeout, err := time.ParseDuration(announced)
	if err != nil || timeout <= 0 || timeout > maxTimeout {
		timeout = defaultTimeout
	}
	return max(timeout-margin, timeout/2)
}
