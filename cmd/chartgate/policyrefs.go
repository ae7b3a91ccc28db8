package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/keys"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/trust"
)

// maxKeyReads bounds the keys that a command reads from KMS at once.
const maxKeyReads = 8

// lookup finds a Secret or ConfigMap that policies name and that is not among the documents. Its error
// is a text for users.
type lookup func(ctx context.Context, kind, name string) (document, error)

// references leads to what policies refer to and do not hold.
type references struct {
	find lookup
	kms  keys.KMS
}

// amongDocuments is the lookup where there is no cluster.
func amongDocuments(_ context.Context, kind, name string) (document, error) {
	if kind == "Secret" {
		return document{}, errors.New("there is no such Secret among the policies")
	}
	return document{}, fmt.Errorf("the %s %s is not among the policies", kind, name)
}

// lookupKeys finds the keys of policies on the command line: in Secrets, and in a KMS by the
// credentials of the user who runs the command.
func lookupKeys(ctx context.Context, sources []policy.KeySource, secrets []corev1.Secret, refer references) policy.Keys {
	found := policy.Keys{}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(maxKeyReads)
	for _, source := range sources {
		group.Go(func() error {
			content := contentOf(ctx, source, secrets, refer)
			mu.Lock()
			defer mu.Unlock()
			found[source] = content
			return nil
		})
	}
	_ = group.Wait() // the functions return nil
	return found
}

func contentOf(ctx context.Context, source policy.KeySource, secrets []corev1.Secret, refer references) policy.KeyContent {
	if source.KMS != "" {
		return toContent(refer.kms.PublicKeys(ctx, source.KMS))
	}
	for _, secret := range secrets {
		if secret.Name == source.Secret {
			return toContent(keys.FromSecret(secret, source.Item))
		}
	}
	d, err := refer.find(ctx, "Secret", source.Secret)
	if err != nil {
		return policy.KeyContent{Err: err}
	}
	var found []corev1.Secret
	if err := appendStrict(&found, d); err != nil {
		return policy.KeyContent{Err: errors.New("the Secret cannot be decoded")}
	}
	return toContent(keys.FromSecret(found[0], source.Item))
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
	places := map[string]string{} // by name
	for _, d := range documents {
		if kind := d.object.GroupVersionKind(); kind.Group != "" || kind.Kind != "Secret" {
			others = append(others, d)
			continue
		}
		if other, ok := places[d.object.GetName()]; ok {
			return nil, nil, fmt.Errorf("there are two Secrets %s: %s and %s", d.object.GetName(), other, d.where)
		}
		places[d.object.GetName()] = d.where
		if err := appendStrict(&secrets, d); err != nil {
			return nil, nil, fmt.Errorf("%s: Secret %s cannot be decoded", d.where, d.object.GetName())
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

// takeTrustRoots takes the TrustRoots out of documents, and the ConfigMaps that they refer to.
func takeTrustRoots(ctx context.Context, documents []document, find lookup) (items []trust.Item, others []document, err error) {
	var objects []v1alpha1.TrustRoot
	unread := map[string]error{} // by name
	for _, d := range documents {
		if kind := d.object.GroupVersionKind(); kind.Group != v1alpha1.Group || kind.Kind != "TrustRoot" {
			others = append(others, d)
			continue
		}
		if err := appendStrict(&objects, d); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", d.where, err)
		}
		if d.unread != nil {
			unread[d.object.GetName()] = d.unread
		}
	}
	configMaps, others, err := takeConfigMaps(others, objects)
	if err != nil {
		return nil, nil, err
	}
	for _, obj := range objects {
		if err := unread[obj.Name]; err != nil {
			items = append(items, trust.Item{Object: obj, Err: err})
			continue
		}
		items = append(items, toItem(ctx, obj, configMaps, find))
	}
	return items, others, nil
}

// takeConfigMaps takes the ConfigMaps that TrustRoots refer to, by name. The one with the
// identities stays, too.
func takeConfigMaps(documents []document, objects []v1alpha1.TrustRoot) (taken []corev1.ConfigMap, others []document, err error) {
	for _, d := range documents {
		kind := d.object.GroupVersionKind()
		refers := func(obj v1alpha1.TrustRoot) bool {
			return obj.Spec.ConfigMapRef != nil && obj.Spec.ConfigMapRef.Name == d.object.GetName()
		}
		if kind.Group != "" || kind.Kind != "ConfigMap" || !slices.ContainsFunc(objects, refers) {
			others = append(others, d)
			continue
		}
		if err := appendStrict(&taken, d); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", d.where, err)
		}
		if _, ok := taken[len(taken)-1].Data[policy.IdentitiesKey]; ok {
			others = append(others, d)
		}
	}
	return taken, others, nil
}

func toItem(ctx context.Context, obj v1alpha1.TrustRoot, configMaps []corev1.ConfigMap, find lookup) trust.Item {
	item := trust.Item{Object: obj}
	ref := obj.Spec.ConfigMapRef
	if ref == nil {
		return item
	}
	var found []corev1.ConfigMap
	for _, c := range configMaps {
		if c.Name == ref.Name {
			found = append(found, c)
		}
	}
	if len(found) == 0 {
		d, err := find(ctx, "ConfigMap", ref.Name)
		if err == nil {
			err = appendStrict(&found, d)
		}
		if err != nil {
			item.Err = err
			return item
		}
	}
	switch len(found) {
	case 1:
		item.Content, item.Err = trust.ItemOf(found[0].Data, *ref)
	default:
		item.Err = fmt.Errorf("there are two ConfigMaps %s among the policies", ref.Name)
	}
	return item
}
