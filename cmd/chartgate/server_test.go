package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// A replica that is told to end answers for a while, and asks its callers to leave.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d drain
		says := func() string {
			answer := httptest.NewRecorder()
			d.handler(http.NotFoundHandler()).ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/", nil))
			return answer.Header().Get("Connection")
		}
		ctx, end := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = d.run(ctx, func(serving context.Context) error {
				<-serving.Done()
				return nil
			})
		}()
		synctest.Wait()
		if got := says(); got != "" {
			t.Errorf("before the end it says %q", got)
		}
		end()
		told := time.Now()
		synctest.Wait()
		if got := says(); got != "close" {
			t.Errorf("at the end it says %q", got)
		}
		<-ended
		if took := time.Since(told); took != drainTime {
			t.Errorf("it ended after %s", took)
		}
	})
}

func TestNothingIsServedBeforeTheCertificate(t *testing.T) {
	never := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (waitFor{never, func(context.Context) error { return errors.New("served without a certificate") }}).Start(ctx); err != nil {
		t.Error(err)
	}
	there := make(chan struct{})
	close(there)
	served := errors.New("served")
	if err := (waitFor{there, func(context.Context) error { return served }}).Start(t.Context()); !errors.Is(err, served) {
		t.Error(err)
	}
	if (&hooks{}).ready(nil) == nil {
		t.Error("ready without a certificate")
	}
	if (waitFor{}).NeedLeaderElection() {
		t.Error("a replica that does not lead must answer the API server as well")
	}
}
