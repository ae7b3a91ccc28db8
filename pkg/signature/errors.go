package signature

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/verdict"
)

func invalid(detail string, err error) *verdict.Rejection {
	return &verdict.Rejection{Reason: verdict.SignatureInvalid, Detail: detail, Err: err}
}

// unrelated is the error for an attachment that was made with other keys, or under another trust
// root.
type unrelated struct{ error }

// rank orders the rejections by several trust roots. A trust root that is related to the attachment
// says more than one that is not, and that a trust root is unavailable says most: its result is
// unknown.
func rank(err error) int {
	rejection, _ := errors.AsType[*verdict.Rejection](err)
	_, isUnrelated := errors.AsType[unrelated](err)
	switch {
	case rejection != nil && rejection.Reason == verdict.TrustRootUnavailable:
		return 2
	case isUnrelated:
		return 0
	default:
		return 1
	}
}

func noTrustRoot(detail string) *verdict.Rejection {
	return &verdict.Rejection{Reason: verdict.TrustRootUnavailable, Detail: detail}
}

func tooLarge(what string, limit int) *verdict.Rejection {
	return &verdict.Rejection{
		Reason: verdict.LimitExceeded,
		Detail: fmt.Sprintf("%s exceeds the limit of %d", what, limit),
	}
}

func internal(err error) *verdict.Rejection {
	return &verdict.Rejection{
		Reason: verdict.InternalError,
		Detail: "chartgate failed to verify it; its log has the cause",
		Err:    err,
	}
}

// panicked is the rejection of an attachment with which a library panicked. It proves nothing, and
// the next attachment may be valid.
func panicked(reason any) *verdict.Rejection {
	return internal(fmt.Errorf("panic: %v\n%s", reason, debug.Stack()))
}

// deadlinePassed says nothing about the attachment, so it is not a rejection.
func deadlinePassed(err error) error {
	return &problem.Error{
		Kind:   problem.KindTimeout,
		Detail: "the time limit passed while signatures were verified",
		Err:    err,
	}
}
