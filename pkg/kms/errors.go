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

	"github.com/chartgate/chartgate/pkg/problem"
)

// errNoKey is the answer of a service that has no such key.
var errNoKey = errors.New("no such key")

// classify turns a client's error into one for users. The text of the service stays in Err, for the
// log.
func classify(err error, timeout time.Duration) *problem.Error {
	if known, ok := errors.AsType[*problem.Error](err); ok {
		return known
	}
	switch kind := kindOf(err); kind {
	case problem.KindNotFound:
		return &problem.Error{Kind: kind, Detail: "the KMS has no such key, or the key is disabled", Err: err}
	case problem.KindUnauthorized:
		return &problem.Error{Kind: kind, Detail: "the KMS does not let chartgate read the key", Err: err}
	case problem.KindTimeout:
		return &problem.Error{Kind: kind, Detail: fmt.Sprintf("the KMS did not answer within %s", timeout), Err: err}
	default:
		return &problem.Error{Kind: kind, Detail: "the KMS gave no usable answer", Err: err}
	}
}

// kindOf returns KindUnavailable for any error that is not an answer about the key.
func kindOf(err error) problem.Kind {
	if errors.Is(err, errNoKey) || errors.Is(err, iterator.Done) {
		return problem.KindNotFound
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
		return problem.KindTimeout
	}
	switch status.Code(err) {
	case codes.NotFound, codes.FailedPrecondition: // the latter for a version that is not enabled
		return problem.KindNotFound
	case codes.PermissionDenied, codes.Unauthenticated:
		return problem.KindUnauthorized
	case codes.DeadlineExceeded, codes.Canceled:
		return problem.KindTimeout
	default:
		return problem.KindUnavailable
	}
}

// kindOfAWS knows the errors of GetPublicKey (AWS KMS API Reference, Common Errors).
func kindOfAWS(code string) problem.Kind {
	switch code {
	case "NotFoundException", "DisabledException", "KMSInvalidStateException":
		return problem.KindNotFound
	case "AccessDeniedException", "UnrecognizedClientException", "InvalidClientTokenId", "ExpiredTokenException", "MissingAuthenticationToken":
		return problem.KindUnauthorized
	default:
		return problem.KindUnavailable
	}
}

func kindOfHTTP(code int) problem.Kind {
	switch code {
	case http.StatusNotFound:
		return problem.KindNotFound
	case http.StatusUnauthorized, http.StatusForbidden:
		return problem.KindUnauthorized
	default:
		return problem.KindUnavailable
	}
}
