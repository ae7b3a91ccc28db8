package keys

import (
	"errors"
	"fmt"
	"time"

	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/problem"
)

// keepFor bounds how long keys are used that cannot be read any more: long enough to repair a KMS
// or its permissions. No withdrawn key counts for longer.
const keepFor = 24 * time.Hour

// knownKey is what is known of a source.
type knownKey struct {
	pem     string    // the last keys that were read, "" if no keys are to be used
	readAt  time.Time // of pem
	failure error     // of the last read; its text is for people
	passing bool      // the failure may pass by itself
	asked   bool      // a read has ended
	stop    func()    // ends the reads in the background
	seen    string    // the outcome of the last read, to notice a change
}

var errNotRead = errors.New("it has not been read yet")

func (k *knownKey) content() policy.KeyContent {
	switch {
	case k.pem != "":
		return policy.KeyContent{PEM: k.pem}
	case !k.asked:
		return policy.KeyContent{Err: errNotRead}
	default:
		return policy.KeyContent{Err: k.failure}
	}
}

// update takes over the outcome of a read.
func (k *knownKey) update(text string, failure *problem.Error) {
	k.asked = true
	if failure == nil {
		k.pem, k.readAt, k.failure, k.passing = text, time.Now(), nil, false
		return
	}
	k.failure, k.passing = errors.New(failure.Detail), !isAnswer(failure.Kind)
	if !k.passing || time.Since(k.readAt) >= keepFor {
		k.pem = ""
	}
}

// isAnswer reports whether a read failed because there is no such key, and not because the source
// could not be asked.
func isAnswer(kind problem.Kind) bool {
	switch kind {
	case problem.KindUnavailable, problem.KindTimeout, problem.KindUnauthorized:
		return false
	default:
		return true
	}
}

// toProblem keeps the texts that chartgate wrote for people, and replaces all others.
func toProblem(err error) *problem.Error {
	if err == nil {
		return nil
	}
	if known, ok := errors.AsType[*problem.Error](err); ok {
		return known
	}
	return &problem.Error{Kind: problem.KindUnavailable, Detail: "it cannot be read", Err: err}
}

// note says that the keys in use cannot be read any more; "" if they can.
func (k *knownKey) note() string {
	if k.failure == nil || k.pem == "" {
		return ""
	}
	return fmt.Sprintf("%s; the keys that were read at %s are used until %s",
		k.failure, k.readAt.UTC().Format(time.RFC3339), k.readAt.Add(keepFor).UTC().Format(time.RFC3339))
}
