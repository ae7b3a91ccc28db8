package webhook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/webhook"
)

// stalled is a body of which nothing comes until it is let go.
type stalled struct {
	body    io.Reader
	reading *atomic.Int32
	let     <-chan struct{}
	once    sync.Once
}

func (s *stalled) Read(p []byte) (int, error) {
	s.once.Do(func() { s.reading.Add(1) })
	<-s.let
	return s.body.Read(p)
}

// large is a review of an object of so many bytes, as a HelmRelease with much in its values.
func large(t *testing.T, bytes int) string {
	t.Helper()
	return reviewOf(t, "v1", create(t, withValues(helmRelease("podinfo", "acme"), bytes)))
}

func withValues(release string, bytes int) string {
	return strings.Replace(release, "spec: {", `spec: {values: {much: "`+strings.Repeat("a", bytes)+`"}, `, 1)
}

func request(body io.Reader, length int64, from string) *http.Request {
	req := httptest.NewRequest(http.MethodPost, "/validate-charts?timeout=10s", body)
	req.ContentLength, req.RemoteAddr = length, from+":4711"
	req.Header.Set("Content-Type", "application/json")
	return req
}

// Anyone who reaches the port may open connections and send large bodies, or begin to. What all of
// them take together has a bound, one address does not get all of it, and honest large writes wait
// for their turn.
func TestAttackLargeBodiesOfManyConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler := webhook.NewBodies(logr.Discard()).Charts(newWorld(t, repositories()).charts(t, 8))
		body := large(t, 6<<20)
		var reading atomic.Int32
		let := make(chan struct{})
		var group sync.WaitGroup
		send := func(from string, length int64) {
			group.Go(func() {
				answer := httptest.NewRecorder()
				handler.ServeHTTP(answer, request(&stalled{body: strings.NewReader(body), reading: &reading, let: let}, length, from))
				if !strings.Contains(answer.Body.String(), `"allowed":true`) {
					t.Errorf("%d: %.200s", answer.Code, answer.Body)
				}
			})
			synctest.Wait()
		}
		for range 19 {
			send("10.0.0.66", int64(len(body)))
		}
		send("10.0.0.66", -1) // in chunks
		if got := reading.Load(); got != 2 {
			t.Errorf("%d bodies of 6 MiB are read at the same time, of one address", got)
		}
		send("10.0.0.1", int64(len(body)))
		if got := reading.Load(); got != 3 {
			t.Errorf("another address waits: %d bodies are read", got)
		}
		close(let)
		group.Wait()
		if got := reading.Load(); got != 21 {
			t.Errorf("%d bodies were read in the end", got)
		}
	})
}

// Bodies count while they are read, not while a registry is asked about what they hold.
func TestAttackLargeBodiesOfASlowRegistry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, repositories())
		free := make(chan struct{})
		w.resolve = func(_ context.Context, ref chart.Reference) (artifact.Resolved, error) {
			<-free
			return resolved(ref), nil
		}
		handler := webhook.WithDeadline(webhook.NewBodies(logr.Discard()).Charts(w.charts(t, 100)))
		body := large(t, 3<<20)
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				answer := httptest.NewRecorder()
				handler.ServeHTTP(answer, request(strings.NewReader(body), int64(len(body)), "10.0.0.1"))
				if !strings.Contains(answer.Body.String(), `"allowed":true`) {
					t.Errorf("%d: %.200s", answer.Code, answer.Body)
				}
			})
		}
		synctest.Wait() // all have been read, and wait for the registry
		much := withValues(helmRelease("podinfo", "acme"), 3<<20)
		unchanged := reviewOf(t, "v1", update(t, much, much, ""))
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request(strings.NewReader(unchanged), int64(len(unchanged)), "10.0.0.1"))
		if !strings.Contains(answer.Body.String(), `"allowed":true`) {
			t.Errorf("a large write that changes no chart: %.200s", answer.Body)
		}
		close(free)
		group.Wait()
	})
}

func TestBodiesThatAreRefused(t *testing.T) {
	endless := func() io.Reader { return io.MultiReader(strings.NewReader("{"), neverEnds{}) }
	for _, c := range []struct {
		sentence string
		policies bool
		change   func(*http.Request)
		code     int
		reason   metav1.StatusReason
		reads    bool
	}{
		{"one that says it is too large is not read", false, func(r *http.Request) { r.ContentLength = 7<<20 + 1 }, 413, metav1.StatusReasonRequestEntityTooLarge, false},
		{"one in chunks is read up to the limit", false, func(r *http.Request) { r.ContentLength = -1 }, 413, metav1.StatusReasonRequestEntityTooLarge, true},
		{"one that is longer than it says is read as far as it said", false, func(r *http.Request) { r.ContentLength = 1000 }, 413, metav1.StatusReasonRequestEntityTooLarge, true},
		{"one that is compressed is not read", false, func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }, 415, metav1.StatusReasonUnsupportedMediaType, false},
		{"a policy of more than 1 MiB is not read", true, func(r *http.Request) { r.ContentLength = 1<<20 + 1 }, 413, metav1.StatusReasonRequestEntityTooLarge, false},
		{"a policy in chunks is read up to the limit", true, func(r *http.Request) { r.ContentLength = -1 }, 413, metav1.StatusReasonRequestEntityTooLarge, true},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			bodies := webhook.NewBodies(logr.Discard())
			handler := bodies.Charts(newWorld(t, repositories()).charts(t, 8))
			if c.policies {
				handler = bodies.Policies(&webhook.Policies{})
			}
			counted := &counting{Reader: endless()}
			req := request(counted, 0, "10.0.0.66")
			c.change(req)
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, req)
			var status metav1.Status
			if err := json.Unmarshal(answer.Body.Bytes(), &status); err != nil {
				t.Fatal(err)
			}
			if answer.Code != c.code || status.Reason != c.reason || status.Kind != "Status" || status.Message == "" {
				t.Errorf("%d %+v", answer.Code, status)
			}
			if (counted.n > 0) != c.reads || counted.n > 8<<20 {
				t.Errorf("%d bytes were read", counted.n)
			}
		})
	}
}

// neverEnds is white space, as far as anyone reads.
type neverEnds struct{}

func (neverEnds) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

type counting struct {
	io.Reader
	n int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

// Who waits for room longer than its deadline is told so.
func TestNoRoomForABody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler := webhook.WithDeadline(webhook.NewBodies(logr.Discard()).Charts(newWorld(t, repositories()).charts(t, 8)))
		let := make(chan struct{})
		var reading atomic.Int32
		var group sync.WaitGroup
		codes := make(chan int, 5)
		for range 5 {
			group.Go(func() {
				answer := httptest.NewRecorder()
				handler.ServeHTTP(answer, request(&stalled{body: strings.NewReader("{}"), reading: &reading, let: let}, 6<<20, "10.0.0.66"))
				codes <- answer.Code
			})
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if code := <-codes; code != http.StatusTooManyRequests {
			t.Errorf("it is told %d", code)
		}
		close(let)
		group.Wait()
	})
}

// What is read of a body is what admission.Webhook reads: the objects are in the review as they
// came.
func TestObjectsArriveAsTheyWereSent(t *testing.T) {
	for _, size := range []int{0, 100_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			w := newWorld(t, repositories())
			review := post(t, w.charts(t, 8), "application/json", reviewOf(t, "v1", create(t, withValues(helmRelease("unsigned", "acme"), size))))
			if review.Response.Allowed || review.Response.UID != "1" || !strings.Contains(review.Response.Result.Message, "HelmRelease apps/unsigned") {
				t.Errorf("%+v %s", review.Response, review.Response.Result.Message)
			}
		})
	}
}
