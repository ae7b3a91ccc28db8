package credentials

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/problem"
)

// What the admin can do where RBAC does not let chartgate read.
const (
	nextForSecrets = "let chartgate read it (chart values secrets.access and secrets.namespaces), or give chartgate credentials of its own (registryConfig.existingSecrets)"
	nextForArgo    = "let chartgate read Argo CD's repository Secrets (chart values argoNamespace and secrets.access), or give chartgate credentials of its own (registryConfig.existingSecrets)"
)

// secret reads one Secret.
func (c *Connector) secret(ctx context.Context, namespace, name string) (*corev1.Secret, *problem.Error) {
	found := &corev1.Secret{}
	err := c.reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, found)
	return found, readProblem(ctx, nameOf("Secret", namespace, name), nextForSecrets, err)
}

// serviceAccount reads one ServiceAccount.
func (c *Connector) serviceAccount(ctx context.Context, namespace, name string) (*corev1.ServiceAccount, *problem.Error) {
	found := &corev1.ServiceAccount{}
	err := c.reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, found)
	return found, readProblem(ctx, nameOf("ServiceAccount", namespace, name), nextForSecrets, err)
}

// objectName is what an object can be called. Fields that refer to one hold any text.
var objectName = regexp.MustCompile(`^[a-z0-9.-]{1,253}$`)

// nameOf names an object in messages.
func nameOf(kind, namespace, name string) string {
	if !objectName.MatchString(name) {
		name = chart.Quote(name)
	}
	return kind + " " + namespace + "/" + name
}

// readProblem says why an object, named by what, could not be read; nil without an
// error. Only that it does not exist is problem.KindSourceNotFound.
func readProblem(ctx context.Context, what, next string, err error) *problem.Error {
	switch {
	case err == nil:
		return nil
	case apierrors.IsNotFound(err):
		return &problem.Error{
			Kind: problem.KindSourceNotFound, Detail: what + " does not exist",
			Next: "create it, or correct the reference to it", Err: err,
		}
	case apierrors.IsForbidden(err):
		return &problem.Error{Kind: problem.KindUnauthorized, Detail: "chartgate may not read " + what, Next: next, Err: err}
	case ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) || apierrors.IsTimeout(err):
		return &problem.Error{Kind: problem.KindTimeout, Detail: "reading " + what + " took too long", Next: "try again", Err: err}
	default:
		return &problem.Error{Kind: problem.KindInternal, Detail: what + " could not be read", Err: fmt.Errorf("read %s: %w", what, err)}
	}
}

// mayLack reports whether a problem matters only if the registry wants a login: the
// Secret is not there, or chartgate may not read it.
func mayLack(p *problem.Error) bool {
	return p.Kind == problem.KindSourceNotFound || p.Kind == problem.KindUnauthorized
}

// unusable is what is wrong with the content of an object, which the text must not
// repeat.
func unusable(what, wrong string) *problem.Error {
	return &problem.Error{Kind: problem.KindUnauthorized, Detail: what + " " + wrong, Next: "correct " + what}
}
