package main

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

// drainTime is how long a replica that is told to end still answers, while it asks
// its callers to go elsewhere. An API server asks many times a second on one
// connection; one that asks more rarely is not likely to do so just when the
// connection is closed.
const drainTime = 2 * time.Second

// drain ends connections such that no request is lost. net/http closes connections
// that are idle at that moment without a word, also if a request is on its way; the
// API server does not repeat it, and the write fails.
type drain struct{ begun atomic.Bool }

// handler says goodbye with each answer once the end has begun. Over HTTP/2 that is
// GOAWAY: what is in progress is answered, what comes later goes elsewhere.
func (d *drain) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if d.begun.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, req)
	})
}

// run serves until ctx ends and the callers have had time to leave.
func (d *drain) run(ctx context.Context, serve func(context.Context) error) error {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() {
		d.begun.Store(true)
		time.AfterFunc(drainTime, stop)
	})()
	return serve(serving)
}
