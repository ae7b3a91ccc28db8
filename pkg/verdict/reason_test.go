package verdict_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/verdict"
)

func TestReasonsListsEveryReason(t *testing.T) {
	t.Parallel()
	var declared []verdict.Reason
	for name, value := range constants(t, "reason.go") {
		if value != name {
			t.Errorf("%s is spelled %q", name, value)
		}
		declared = append(declared, verdict.Reason(value))
	}
	listed := verdict.Reasons()
	slices.Sort(declared)
	slices.Sort(listed)
	if diff := cmp.Diff(declared, listed); diff != "" {
		t.Errorf("reasons (-declared +listed):\n%s", diff)
	}
	if slices.Contains(listed, "") || len(slices.Compact(listed)) != len(declared) {
		t.Errorf("an empty reason, or one twice: %q", listed)
	}
}

func TestEachKindOfProblemHasItsReason(t *testing.T) {
	t.Parallel()
	want := map[problem.Kind]verdict.Reason{
		problem.KindInternal:       verdict.InternalError,
		problem.KindInvalid:        verdict.ReferenceInvalid,
		problem.KindNotOCI:         verdict.NotOCI,
		problem.KindNotFound:       verdict.ChartNotFound,
		problem.KindNotAChart:      verdict.NotAChart,
		problem.KindUnavailable:    verdict.RegistryUnavailable,
		problem.KindUnauthorized:   verdict.RegistryUnauthorized,
		problem.KindDigestMismatch: verdict.DigestMismatch,
		problem.KindLimitExceeded:  verdict.LimitExceeded,
		problem.KindTimeout:        verdict.Timeout,
		problem.KindSourceNotFound: verdict.SourceNotFound,
		problem.KindUnsupported:    verdict.Unsupported,
		problem.KindNotStored:      verdict.SourceNotFound,
	}
	kinds := constants(t, "../problem/problem.go")
	if len(kinds) != len(want) {
		t.Errorf("package chart declares %d kinds, this test knows %d", len(kinds), len(want))
	}
	got := map[problem.Kind]verdict.Reason{}
	used := map[verdict.Reason]problem.Kind{}
	for i := range len(kinds) {
		kind := problem.Kind(i)
		perr := &problem.Error{Kind: kind, Detail: "the detail", Next: "the hint", Err: errors.New("canary")}
		d := verdict.FromError(fmt.Errorf("decide: %w", perr))
		got[kind] = d.Reason
		if other, twice := used[d.Reason]; twice && kind != problem.KindNotStored { // an object that is not there yet
			t.Errorf("the kinds %d and %d have the reason %s", other, kind, d.Reason)
		}
		used[d.Reason] = kind
		if d.Summary != "the detail" || d.Next != "the hint" || !errors.Is(d.Cause, perr) {
			t.Errorf("kind %d: %+v", kind, d)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reasons of kinds (-want +got):\n%s", diff)
	}
	for _, kind := range []problem.Kind{-1, problem.Kind(len(kinds)), 1000} {
		if d := verdict.FromError(&problem.Error{Kind: kind}); d.Reason != verdict.InternalError {
			t.Errorf("the unknown kind %d has the reason %s", kind, d.Reason)
		}
	}
}

func TestARejectionKeepsItsReason(t *testing.T) {
	t.Parallel()
	for _, reason := range []verdict.Reason{verdict.SignatureInvalid, verdict.TrustRootUnavailable, verdict.LimitExceeded, verdict.InternalError} {
		d := verdict.FromError(fmt.Errorf("verify: %w", &verdict.Rejection{Reason: reason, Detail: "the detail", Err: errors.New("canary")}))
		if d.Reason != reason || d.Summary != "the detail" {
			t.Errorf("%s: %+v", reason, d)
		}
	}
	if d := verdict.FromError(&verdict.Rejection{}); d.Reason != verdict.InternalError || d.Summary == "" {
		t.Errorf("the zero rejection: %+v", d)
	}
	cause := errors.New("the cause")
	rejection := &verdict.Rejection{Detail: "the detail", Err: cause}
	if rejection.Error() != "the detail: the cause" || !errors.Is(rejection, cause) || (&verdict.Rejection{Detail: "alone"}).Error() != "alone" {
		t.Errorf("for the log: %v", rejection)
	}
}

// Libraries put URLs, tokens and internals into their errors.
func TestRawErrorsStayInTheLog(t *testing.T) {
	t.Parallel()
	const canary = "canary-7f3a"
	leak := errors.New("GET https://user:" + canary + "@ghcr.io/v2/: token=" + canary)
	subject := resolved(t)
	for _, tc := range []struct {
		name string
		err  error
		want verdict.Reason
	}{
		{"an unknown error", leak, verdict.InternalError},
		{"a wrapped unknown error", fmt.Errorf(canary+": %w", leak), verdict.InternalError},
		{"joined unknown errors", errors.Join(leak, leak), verdict.InternalError},
		{"the cause of a problem", &problem.Error{Kind: problem.KindUnavailable, Detail: "the registry failed", Err: leak}, verdict.RegistryUnavailable},
		{"the cause of an internal problem", &problem.Error{Detail: "internal", Err: leak}, verdict.InternalError},
		{"what wraps a problem", fmt.Errorf(canary+": %w", &problem.Error{Kind: problem.KindTimeout, Detail: "no answer"}), verdict.Timeout},
		{"the cause of a rejection", &verdict.Rejection{Reason: verdict.SignatureInvalid, Detail: "bad", Err: leak}, verdict.SignatureInvalid},
		{"the cause of the zero rejection", &verdict.Rejection{Err: leak}, verdict.InternalError},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			denial := verdict.FromError(tc.err)
			if denial.Reason != tc.want {
				t.Errorf("reason %s, want %s", denial.Reason, tc.want)
			}
			if !strings.Contains(denial.Cause.Error(), canary) {
				t.Error("the log has lost the cause")
			}
			denial.Policy = []string{"acme requires a signature"}
			unsigned := verdict.Unsigned(subject, "acme requires a signature", verdict.Findings{Failure: tc.err, Rejections: []*verdict.Rejection{{Detail: "bad", Err: leak}}})
			deferred := denial
			deferred.Reason = verdict.SourceNotFound
			for _, v := range []verdict.Verdict{
				verdict.Deny(subject, denial), verdict.Deny(subject, unsigned), verdict.Warn(subject, []verdict.Denial{denial, unsigned}, nil), verdict.Defer(subject, deferred),
			} {
				for _, text := range []string{v.Message(), v.Warning(), v.Breaks("this change"), v.BreaksNote("x", 1024, "y"), v.Note(1024, "again"), v.Local(none).Message(), verdict.Messages([]verdict.Verdict{v}), v.String()} {
					if strings.Contains(text, canary) {
						t.Errorf("it leaks into %q", text)
					}
				}
			}
		})
	}
}

// constants returns the constants that a Go file declares, with their values where these are
// strings.
func constants(t *testing.T, file string) map[string]string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, decl := range parsed.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			declared := spec.(*ast.ValueSpec)
			for i, name := range declared.Names {
				found[name.Name] = ""
				if i < len(declared.Values) {
					if literal, ok := declared.Values[i].(*ast.BasicLit); ok {
						found[name.Name], _ = strconv.Unquote(literal.Value)
					}
				}
			}
		}
	}
	if len(found) == 0 {
		t.Fatalf("%s declares no constants", file)
	}
	return found
}
