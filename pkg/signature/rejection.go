package signature

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/verdict"
)

func invalid(detail string, err error) *verdict.Rejection {
	return &verdict.Rejection{Reason: verdict.SignatureInvalid, Detail: detail, Err: err}
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
	return &chart.Problem{
		Kind:   chart.KindTimeout,
		Detail: "the admission's deadline passed while signatures were verified",
		Err:    err,
	}
}

// classified is err if it is a rejection, or else a rejection with that detail.
func classified(err error, detail string) error {
	var rejection *verdict.Rejection
	if errors.As(err, &rejection) {
		return rejection
	}
	return invalid(detail, err)
}
