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

// foreign is why material is rejected with which the wanted keys, or a trust root, have nothing to do.
type foreign struct{ error }

// weight orders the rejections by several trust roots: the one that knows the material says more than the others, and
// nobody can tell what one would say that is not there.
func weight(err error) int {
	rejection, _ := errors.AsType[*verdict.Rejection](err)
	_, isForeign := errors.AsType[foreign](err)
	switch {
	case rejection != nil && rejection.Reason == verdict.TrustRootUnavailable:
		return 2
	case isForeign:
		return 0
	default:
		return 1
	}
}

func untrustable(detail string) *verdict.Rejection {
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

// panicked is the rejection of material on which a library gave up: evidence it is not, and the next piece of material
// may be good.
func panicked(reason any) *verdict.Rejection {
	return internal(fmt.Errorf("panic: %v\n%s", reason, debug.Stack()))
}

// outOfTime says nothing about the material, so it is no rejection.
func outOfTime(err error) error {
	return &problem.Error{
		Kind:   problem.KindTimeout,
		Detail: "the admission's deadline passed while signatures were verified",
		Err:    err,
	}
}
