package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/trust"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// localFlags are those of commands that decide about charts on a user's machine: "verify" and
// "getter" have them in common.
type localFlags struct {
	engineFlags
	policies policyFlags
	signer   signerFlags
	timeout  time.Duration
}

// loadPolicies returns the policies of --policy, or the one that cosign's flags stand for.
func (f *localFlags) loadPolicies(ctx context.Context, cmd *cobra.Command) (fixedPolicies, error) {
	given := f.signer.given(cmd.Flags())
	switch {
	case len(given) == 0:
		return f.policies.load(ctx, cmd.InOrStdin(), cmd.ErrOrStderr())
	case cmd.Flags().Changed("policy"):
		return fixedPolicies{}, fmt.Errorf("--policy and %s exclude each other: the policies name the signers", given[0])
	default:
		return f.signer.policies(ctx, cmd.Flags())
	}
}

// local is the gate on this machine, and what its messages need to know of it.
type local struct {
	engine   *engine
	flags    *localFlags
	stderr   io.Writer      // for the causes of chartgate's own failures
	login    registry.Login // nil without any
	policies fixedPolicies
}

// open makes the gate; done releases what it holds. The objects are those that others refer to.
func (f *localFlags) open(cmd *cobra.Command, policies fixedPolicies, objects source.Reader) (opened local, done func(), err error) {
	if len(f.registryConfigs) == 0 {
		f.registryConfigs = localLogins()
	}
	// There is no second attempt, so the first fetch of a TUF repository may take as long as an
	// object.
	roots, err := f.roots(trust.Options{Patience: f.timeout, Default: policies.defaultRoot})
	if err != nil {
		return local{}, nil, err
	}
	roots.Set(policies.trustRoots)
	opened = local{flags: f, stderr: cmd.ErrOrStderr(), policies: policies}
	opened.engine, err = f.build(inputs{policies: policies, siblings: objects, roots: roots, registry: registry.Options{Local: true}})
	if err == nil {
		opened.login, err = f.credentials()
	}
	if err != nil {
		roots.Close()
		return local{}, nil, err
	}
	return opened, roots.Close, nil
}

// result is a verdict as it is printed.
func (l local) result(ctx context.Context, v verdict.Verdict) result {
	return toResult(l.render(ctx, v))
}

// render renders a verdict for the user who runs the command. There is no log, so the cause of an
// internal error goes to standard error.
func (l local) render(ctx context.Context, v verdict.Verdict) verdict.Verdict {
	if v.Reason() == verdict.InternalError {
		for _, cause := range v.Causes() {
			fmt.Fprintf(l.stderr, "cause: %s: %v\n", v.Subject, cause)
		}
	}
	return v.Local(func(d verdict.Denial) string { return l.next(ctx, v.Subject.Reference.Location, d) })
}

// next returns the next step of a denial where this machine's files and logins tell more than its
// reason; "" otherwise.
func (l local) next(ctx context.Context, at chart.Location, d verdict.Denial) string {
	switch d.Reason {
	case verdict.PolicyInvalid:
		named := func(place string) bool {
			_, rest, _ := strings.Cut(place, " ")
			name, _, _ := strings.Cut(rest, " in ")
			return slices.ContainsFunc(d.Policy, func(text string) bool { return strings.HasPrefix(text, name+" ") })
		}
		places := l.policies.invalid
		if slices.ContainsFunc(places, named) {
			places = slices.DeleteFunc(slices.Clone(places), func(place string) bool { return !named(place) })
		}
		if len(places) > 0 {
			return "correct " + strings.Join(places, ", ")
		}
	case verdict.IdentityNotAllowed:
		return l.policies.hint
	case verdict.RegistryUnauthorized:
		if l.login == nil || len(l.flags.registryMirrors) > 0 {
			return ""
		}
		if username, password, err := l.login(ctx, at); err == nil && username+password != "" {
			return fmt.Sprintf("the login for %[1]s was sent and is not enough: log in again (helm registry login %[1]s, docker login %[1]s), or get the right to pull this chart", at.Host())
		}
	}
	return ""
}
