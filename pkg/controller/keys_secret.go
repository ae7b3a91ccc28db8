package controller

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

// readSecret reads an item live. Only KindNotFound and KindInvalid are the Secret's
// fault.
func (k *Keys) readSecret(ctx context.Context, source policy.KeySource) (string, error) {
	if wrong := validation.IsDNS1123Subdomain(source.Secret); len(wrong) > 0 {
		return "", &problem.Error{Kind: problem.KindInvalid, Detail: "no Secret can have this name"}
	}
	ctx, cancel := context.WithTimeout(ctx, secretTimeout)
	defer cancel()
	var secret corev1.Secret
	err := k.secrets.Get(ctx, client.ObjectKey{Namespace: k.namespace, Name: source.Secret}, &secret)
	switch {
	case apierrors.IsNotFound(err):
		return "", &problem.Error{Kind: problem.KindNotFound, Detail: "there is no such Secret in namespace " + k.namespace}
	case apierrors.IsForbidden(err):
		return "", &problem.Error{Kind: problem.KindUnauthorized, Detail: "chartgate may not read Secrets in namespace " + k.namespace, Err: err}
	case err != nil:
		return "", fmt.Errorf("read Secret %s/%s: %w", k.namespace, source.Secret, err)
	}
	return KeyIn(secret, source.Item)
}

// KeyIn returns an item of a Secret that should hold public keys. Its error is a
// *problem.Error.
func KeyIn(secret corev1.Secret, item string) (string, error) {
	text, is := secret.Data[item]
	switch {
	case !is:
		return "", &problem.Error{Kind: problem.KindNotFound, Detail: "the Secret has no such key"}
	case len(text) > maxKeyText:
		return "", &problem.Error{Kind: problem.KindInvalid, Detail: fmt.Sprintf("%d bytes are too many for public keys; at most %d are read", len(text), maxKeyText)}
	}
	return publicKeys(string(text))
}

// publicKeys returns the public keys in text, and nothing else of it: a Secret may hold
// by mistake what nobody should keep.
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

// names tells changes of Secrets that hold keys from all others.
func (k *Keys) names() predicate.Predicate {
	return predicate.NewPredicateFuncs(func(o client.Object) bool {
		if o.GetNamespace() != k.namespace {
			return false
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		for source := range k.known {
			if source.KMS == "" && source.Secret == o.GetName() {
				return true
			}
		}
		return false
	})
}
