package keys

import (
	"context"
	"encoding/pem"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/problem"
)

// maxKeyText bounds the text with keys, as the schema bounds key.pem.
const maxKeyText = 16 << 10

// readSecret reads an item live. With problem.KindNotFound and problem.KindInvalid the Secret is at
// fault, with every other kind it could not be read.
func (r *Reader) readSecret(ctx context.Context, source policy.KeySource) (string, error) {
	if wrong := validation.IsDNS1123Subdomain(source.Secret); len(wrong) > 0 {
		return "", &problem.Error{Kind: problem.KindInvalid, Detail: "no Secret can have this name"}
	}
	ctx, cancel := context.WithTimeout(ctx, secretTimeout)
	defer cancel()
	var secret corev1.Secret
	err := r.config.Secrets.Get(ctx, client.ObjectKey{Namespace: r.config.Namespace, Name: source.Secret}, &secret)
	switch {
	case apierrors.IsNotFound(err):
		return "", &problem.Error{Kind: problem.KindNotFound, Detail: "there is no such Secret in namespace " + r.config.Namespace}
	case apierrors.IsForbidden(err):
		return "", &problem.Error{Kind: problem.KindUnauthorized, Detail: "chartgate may not read Secrets in namespace " + r.config.Namespace, Err: err}
	case err != nil:
		return "", fmt.Errorf("read Secret %s/%s: %w", r.config.Namespace, source.Secret, err)
	}
	return FromSecret(secret, source.Item)
}

// FromSecret returns the public keys in an item of a Secret. Its error is a *problem.Error.
func FromSecret(secret corev1.Secret, item string) (string, error) {
	text, is := secret.Data[item]
	switch {
	case !is:
		return "", &problem.Error{Kind: problem.KindNotFound, Detail: "the Secret has no such key"}
	case len(text) > maxKeyText:
		return "", &problem.Error{Kind: problem.KindInvalid, Detail: fmt.Sprintf("%d bytes are too many for public keys; at most %d are read", len(text), maxKeyText)}
	}
	return publicKeys(string(text))
}

// publicKeys returns the public keys in text, and nothing else of it: a Secret may hold a private
// key by mistake, which chartgate must not keep.
func publicKeys(text string) (string, error) {
	if _, err := evidence.ParsePublicKeys(text); err != nil {
		return "", &problem.Error{Kind: problem.KindInvalid, Detail: err.Error()}
	}
	var all strings.Builder
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return all.String(), nil
		}
		block.Headers = nil
		all.Write(pem.EncodeToMemory(block))
	}
}

// SecretPredicate selects the changes of Secrets that hold keys.
func (r *Reader) SecretPredicate() predicate.Predicate {
	return predicate.NewPredicateFuncs(func(o client.Object) bool {
		if o.GetNamespace() != r.config.Namespace {
			return false
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for source := range r.known {
			if source.KMS == "" && source.Secret == o.GetName() {
				return true
			}
		}
		return false
	})
}
