package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/pkg/keys"
	"github.com/chartgate/chartgate/pkg/kms"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/problem"
)

// minKeyRefresh keeps chartgate from being a burden to a KMS, which may be charged by
// the request.
const minKeyRefresh = time.Second

// keys reads what policies do not spell out, live.
func (f *serveFlags) keys(live client.Reader) *keys.Reader {
	return keys.NewReader(keys.Config{Secrets: live, Namespace: f.namespace, KMS: kms.NewReader(), Refresh: f.keyRefresh})
}

// maxKeyReads bounds the keys that a command reads from KMS at once.
const maxKeyReads = 8

// lookupKeys finds the keys of policies on the command line: Secrets among the documents, by
// name, and keys in a KMS by the credentials of whoever runs the command.
func lookupKeys(ctx context.Context, sources []policy.KeySource, secrets []corev1.Secret) policy.Keys {
	found, services := policy.Keys{}, kms.NewReader()
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(maxKeyReads)
	for _, source := range sources {
		group.Go(func() error {
			content := contentOf(ctx, source, secrets, services)
			mu.Lock()
			defer mu.Unlock()
			found[source] = content
			return nil
		})
	}
	_ = group.Wait() // the functions return nil
	return found
}

func contentOf(ctx context.Context, source policy.KeySource, secrets []corev1.Secret, services keys.KMS) policy.KeyContent {
	if source.KMS != "" {
		return toContent(services.PublicKeys(ctx, source.KMS))
	}
	for _, secret := range secrets {
		if secret.Name == source.Secret {
			return toContent(keys.FromSecret(secret, source.Item))
		}
	}
	return policy.KeyContent{Err: errors.New("there is no such Secret among the policies")}
}

// toContent leaves out what a service or library said, as in a cluster.
func toContent(text string, err error) policy.KeyContent {
	if perr, ok := errors.AsType[*problem.Error](err); ok {
		err = errors.New(perr.Detail)
	}
	return policy.KeyContent{PEM: text, Err: err}
}

// takeSecrets takes the Secrets out of documents.
func takeSecrets(documents []document) (secrets []corev1.Secret, others []document, err error) {
	names := map[string]bool{}
	for _, d := range documents {
		if kind := d.object.GroupVersionKind(); kind.Group != "" || kind.Kind != "Secret" {
			others = append(others, d)
			continue
		}
		if names[d.object.GetName()] {
			return nil, nil, fmt.Errorf("%s: there are two Secrets %s", d.file, d.object.GetName())
		}
		names[d.object.GetName()] = true
		if err := appendStrict(&secrets, d); err != nil {
			return nil, nil, fmt.Errorf("%s: Secret %s cannot be decoded", d.file, d.object.GetName())
		}
	}
	for i := range secrets {
		fillIn(&secrets[i])
	}
	return secrets, others, nil
}

// fillIn does with stringData what an API server does.
func fillIn(secret *corev1.Secret) {
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	for item, text := range secret.StringData {
		secret.Data[item] = []byte(text)
	}
}
