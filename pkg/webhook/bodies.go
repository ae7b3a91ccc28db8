package webhook

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/chartgate/chartgate/pkg/fair"
)

const (
	// maxBody bounds the body of a request: an API server takes objects of 3 MiB (etcd of 1.5), and
	// a review holds two of them and the user.
	maxBody = 7 << 20
	// maxPolicyBody is the same for chartgate's own resources, which have some KiB.
	maxPolicyBody = 1 << 20
	// bodyBudget bounds the memory of all bodies together, with what decoding them takes, until
	// they have been read. Further requests wait.
	bodyBudget = 128 << 20
	// decodeFactor is the memory that a review takes for each byte while it is decoded: the body,
	// the two objects in it, and garbage that has not been collected yet.
	decodeFactor = 6
	// policyFactor is the same for a policy, of which everything is decoded: "{}," becomes a
	// requirement of a hundred bytes and more.
	policyFactor = 64
	// largeBody is the size from which decoding takes longer than most decisions. Of such bodies
	// maxLarge are decoded at a time, so that some CPU is left for other requests.
	largeBody = 512 << 10
	maxLarge  = 1
	// bodyTimeout is how long a body may take to arrive once there is room for it. The API server
	// has it ready, and is in the same cluster.
	bodyTimeout = 3 * time.Second
)

// Bodies reads the bodies of requests within limits that hold for all of them together: any client
// that reaches the port can send some, and they are in memory before it is known whose write they
// are about. Make one with NewBodies for all paths.
type Bodies struct {
	budget *fair.Semaphore // bytes, which the addresses of clients share
	large  *fair.Semaphore // large bodies that are decoded, in the same way
	log    logr.Logger
}

// NewBodies returns Bodies that log to log.
func NewBodies(log logr.Logger) *Bodies {
	return &Bodies{budget: fair.NewSemaphore(bodyBudget), large: fair.NewSemaphore(maxLarge), log: log}
}

// read reads the body of a request as soon as there is room for it. The body counts in the budget
// until done is called. Of a body that is refused, it may be a part.
func (h *reviews) read(w http.ResponseWriter, req *http.Request) (body []byte, done func(), refused *refusal) {
	length := req.ContentLength
	switch encoding := req.Header.Get("Content-Encoding"); {
	case encoding != "" && encoding != "identity":
		return nil, nil, refuse(http.StatusUnsupportedMediaType, metav1.StatusReasonUnsupportedMediaType, "the body is encoded; chartgate decompresses nothing")
	case length > h.limit:
		return nil, nil, h.tooLarge()
	case length < 0: // in chunks: an API server never does
		length = h.limit
	}
	by := fair.Share{Tenants: fair.Tenant(address(req))}
	release, err := h.bodies.budget.Acquire(req.Context(), max(h.factor*length, 1), by)
	if err != nil {
		return nil, nil, noRoom()
	}
	defer func() {
		if refused != nil {
			release()
		}
	}()
	// A writer without deadlines (httptest.ResponseRecorder) has no slow client.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
	body, err = readAll(req.Body, length)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return body, nil, refuse(http.StatusRequestTimeout, metav1.StatusReasonTimeout, fmt.Sprintf("the body was not complete after %s", bodyTimeout))
	case err != nil:
		return body, nil, refuse(http.StatusBadRequest, metav1.StatusReasonBadRequest, "the body cannot be read")
	case int64(len(body)) > length:
		return body, nil, h.tooLarge()
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	if len(body) <= largeBody {
		return body, release, nil
	}
	next, err := h.bodies.large.Acquire(req.Context(), 1, by)
	if err != nil {
		return body, nil, noRoom()
	}
	return body, func() { next(); release() }, nil
}

// readAll reads up to one byte more than expected, into memory that is allocated at once: a buffer
// that grows would leave as much garbage.
func readAll(body io.Reader, expected int64) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	var buffer bytes.Buffer
	buffer.Grow(int(expected) + bytes.MinRead) // ReadFrom needs MinRead free bytes at the end
	_, err := buffer.ReadFrom(io.LimitReader(body, expected+1))
	return buffer.Bytes(), err
}

// address returns the IP address of the client, which is all that is known of it.
func address(req *http.Request) string {
	host, _, err := net.SplitHostPort(req.RemoteAddr)
	if err != nil {
		return req.RemoteAddr
	}
	return host
}

func noRoom() *refusal {
	return refuse(http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests, "chartgate reads the bodies of too many requests at this moment: try again")
}

func (h *reviews) tooLarge() *refusal {
	return refuse(http.StatusRequestEntityTooLarge, metav1.StatusReasonRequestEntityTooLarge, fmt.Sprintf("the body has more than the %d MiB that chartgate reads", h.limit>>20))
}
