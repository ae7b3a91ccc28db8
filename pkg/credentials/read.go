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
)

// What the admin can do where RBAC does not let chartgate read.
const (
	nextForSecrets = "let chartgate read it (chart values secrets.access and secrets.namespaces), or give chartgate credentials of its own (registryConfig.existingSecrets)"
	nextForArgo    = "let chartgate read Argo CD's repository Secrets (chart values argoNamespace and secrets.access), or give chartgate credentials of its own (registryConfig.existingSecrets)"
)

// secret reads one Secret.
func (c *Connector) secret(ctx context.Context, namespace, name string) (*corev1.Secret, *chart.Problem) {
	found := &corev1.Secret{}
	err := c.reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, found)
	return found, readProblem(ctx, nameOf("Secret", namespace, name), nextForSecrets, err)
}

// serviceAccount reads one ServiceAccount.
func (c *Connector) serviceAccount(ctx context.Context, namespace, name string) (*corev1.ServiceAccount, *chart.Problem) {
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
// error. Only that it does not exist is chart.KindSourceNotFound.
func readProblem(ctx context.Context, what, next string, err error) *chart.Problem {
	switch {
	case err == nil:
		return nil
	case apierrors.IsNotFound(err):
		return &chart.Problem{
			Kind: chart.KindSourceNotFound, Detail: what + " does not exist",
			Next: "create it, or correct the reference to it", Err: err,
		}
	case apierrors.IsForbidden(err):
		return &chart.Problem{Kind: chart.KindUnauthorized, Detail: "chartgate may not read " + what, Next: next, Err: err}
	case ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) || apierrors.IsTimeout(err):
		return &chart.Problem{Kind: chart.KindTimeout, Detail: "reading " + what + " took too long", Next: "try again", Err: err}
	default:
		return &chart.Problem{Kind: chart.KindInternal, Detail: what + " could not be read", Err: fmt.Errorf("read %s: %w", what, err)}
	}
}

// mayLack reports whether a problem matters only if the registry wants a login: the
// Secret is not there, or chartgate may not read it.
func mayLack(p *chart.Problem) bool {
	return p.Kind == chart.KindSourceNotFound || p.Kind == chart.KindUnauthorized
}

// unusable is what is wrong with the content of an object, which the text must not
// repeat.
func unusable(what, wrong string) *chart.Problem {
	return &chart.Problem{Kind: chart.KindUnauthorized, Detail: what + " " + wrong, Next: "correct " + what}
}
