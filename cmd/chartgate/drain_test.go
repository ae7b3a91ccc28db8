package main

import (
	"context"
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
