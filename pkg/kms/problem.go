package kms

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/aws/smithy-go"
	vault "github.com/hashicorp/vault/api"
	"google.golang.org/api/iterator"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/chartgate/chartgate/pkg/chart"
)

// errNoKey says that the service answered, and has no such key.
var errNoKey = errors.New("no such key")

// problem sorts a client's error. What the service wrote stays in Err, for the log.
func problem(err error, timeout time.Duration) *chart.Problem {
	if known, ok := errors.AsType[*chart.Problem](err); ok {
		return known
	}
	switch kind := kindOf(err); kind {
	case chart.KindNotFound:
		return &chart.Problem{Kind: kind, Detail: "the KMS has no such key, or the key is disabled", Err: err}
	case chart.KindUnauthorized:
		return &chart.Problem{Kind: kind, Detail: "the KMS does not let chartgate read the key", Err: err}
	case chart.KindTimeout:
		return &chart.Problem{Kind: kind, Detail: fmt.Sprintf("the KMS did not answer within %s", timeout), Err: err}
	default:
		return &chart.Problem{Kind: kind, Detail: "the KMS gave no usable answer", Err: err}
	}
}

// kindOf returns KindUnavailable for whatever is no answer about the key.
func kindOf(err error) chart.Kind {
	if errors.Is(err, errNoKey) || errors.Is(err, iterator.Done) {
		return chart.KindNotFound
	}
	if answer, ok := errors.AsType[smithy.APIError](err); ok {
		return kindOfAWS(answer.ErrorCode())
	}
	if answer, ok := errors.AsType[*azcore.ResponseError](err); ok {
		return kindOfHTTP(answer.StatusCode)
	}
	if answer, ok := errors.AsType[*vault.ResponseError](err); ok {
		return kindOfHTTP(answer.StatusCode)
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return chart.KindTimeout
	}
	switch status.Code(err) {
	case codes.NotFound, codes.FailedPrecondition: // the latter for a version that is not enabled
		return chart.KindNotFound
	case codes.PermissionDenied, codes.Unauthenticated:
		return chart.KindUnauthorized
	case codes.DeadlineExceeded, codes.Canceled:
		return chart.KindTimeout
	default:
		return chart.KindUnavailable
	}
}

// kindOfAWS knows the errors of GetPublicKey (AWS KMS API Reference, Common Errors).
func kindOfAWS(code string) chart.Kind {
	switch code {
	case "NotFoundException", "DisabledException", "KMSInvalidStateException":
		return chart.KindNotFound
	case "AccessDeniedException", "UnrecognizedClientException", "InvalidClientTokenId", "ExpiredTokenException", "MissingAuthenticationToken":
		return chart.KindUnauthorized
	default:
		return chart.KindUnavailable
	}
}

func kindOfHTTP(code int) chart.Kind {
	switch code {
	case http.StatusNotFound:
		return chart.KindNotFound
	case http.StatusUnauthorized, http.StatusForbidden:
		return chart.KindUnauthorized
	default:
		return chart.KindUnavailable
	}
}
