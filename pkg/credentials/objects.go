package credentials

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/pkg/problem"
)

// What the admin can do where RBAC does not let chartgate read an object.
const (
	nextForSecrets = "let chartgate read it (chart values secrets.access and secrets.namespaces), or give chartgate credentials of its own (registryConfig.existingSecrets)"
	nextForArgo    = "let chartgate read Argo CD's repository Secrets (chart values argoNamespace and secrets.access), or give chartgate credentials of its own (registryConfig.existingSecrets)"
)

func (r *Resolver) secret(ctx context.Context, namespace, name string) (*corev1.Secret, *problem.Error) {
	found := &corev1.Secret{}
	err := r.reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, found)
	return found, readError(ctx, nameOf("Secret", namespace, name), nextForSecrets, err)
}

func (r *Resolver) serviceAccount(ctx context.Context, namespace, name string) (*corev1.ServiceAccount, *problem.Error) {
	found := &corev1.ServiceAccount{}
	err := r.reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, found)
	return found, readError(ctx, nameOf("ServiceAccount", namespace, name), nextForSecrets, err)
}

// objectName matches valid names of objects. A field that refers to an object can hold any text.
var objectName = regexp.MustCompile(`^[a-z0-9.-]{1,253}$`)

// nameOf returns the name of an object for messages.
func nameOf(kind, namespace, name string) string {
	if !objectName.MatchString(name) {
		name = problem.QuoteInput(name)
	}
	return kind + " " + namespace + "/" + name
}

// nameOfSecret returns the name of a Secret for messages.
func nameOfSecret(secret *corev1.Secret) string {
	return nameOf("Secret", secret.Namespace, secret.Name)
}

// readError says why the object called what could not be read; nil without an error. Only an object
// that does not exist is problem.KindSourceNotFound.
func readError(ctx context.Context, what, next string, err error) *problem.Error {
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

// onlyForLogin reports whether an error matters only if the registry requires a login: the Secret
// does not exist, or chartgate may not read it.
func onlyForLogin(perr *problem.Error) bool {
	return perr.Kind == problem.KindSourceNotFound || perr.Kind == problem.KindUnauthorized
}

// unusable is the error for an object whose content is wrong. The text must not repeat the content.
func unusable(what, wrong string) *problem.Error {
	return &problem.Error{Kind: problem.KindUnauthorized, Detail: what + " " + wrong, Next: "correct " + what}
}
