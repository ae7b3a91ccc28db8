package harness

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/dynamic"
)

// Answer is what the API server answers to a write.
type Answer struct {
	Causes   []string // "Reason field" of each denial; empty where the write was admitted
	Message  string   // of the denial, as chartgate wrote it
	Warnings []string
	// BySchema is true if the schema of a CRD denied the write, and not chartgate.
	BySchema bool
}

// Denied is the answer with one denial.
func Denied(cause, message string) Answer {
	return Answer{Causes: []string{cause}, Message: strings.TrimSpace(message)}
}

// Admitted is the answer to a write that was admitted, with warnings if any.
func Admitted(warnings ...string) Answer { return Answer{Warnings: warnings} }

// Try makes a write as a user and returns the answer with the names that rows use. An error is one
// that comes from neither chartgate nor a schema.
func (s *Site) Try(t testing.TB, user string, write func(dynamic.Interface) error) (Answer, error) {
	t.Helper()
	record := &warnings{}
	client, err := s.as(user, record)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := ReadAnswer(write(client))
	answer.Message = s.public(answer.Message)
	for _, warning := range record.texts {
		answer.Warnings = append(answer.Warnings, s.public(warning))
	}
	return answer, err
}

// ReadAnswer reads the error of a write: a denial by a webhook of chartgate or by the schema of a
// definition, or nil, an admission. It returns every other error.
func ReadAnswer(err error) (Answer, error) {
	if err == nil {
		return Answer{}, nil
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return Answer{}, err
	}
	answer := Answer{Message: byWebhook.ReplaceAllString(err.Error(), "")}
	if answer.Message == err.Error() {
		if answer.BySchema = apierrors.IsInvalid(err); !answer.BySchema {
			return Answer{}, err
		}
	}
	for _, cause := range status.Status().Details.Causes {
		answer.Causes = append(answer.Causes, strings.TrimSpace(string(cause.Type)+" "+cause.Field))
	}
	return answer, nil
}

// byWebhook is what the API server writes in front of a webhook's message.
var byWebhook = regexp.MustCompile(`^admission webhook "[a-z]+[.]chartgate[.]dev" denied the request: `)

// warnings records those that kubectl would print.
type warnings struct {
	mu    sync.Mutex
	texts []string
}

// HandleWarningHeaderWithContext implements rest.WarningHandlerWithContext.
func (w *warnings) HandleWarningHeaderWithContext(_ context.Context, _ int, _ string, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts = append(w.texts, text)
}
