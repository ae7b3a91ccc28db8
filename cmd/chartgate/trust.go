package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/signature"
	"github.com/chartgate/chartgate/pkg/status"
	"github.com/chartgate/chartgate/pkg/trust"
	"github.com/chartgate/chartgate/pkg/trustrootstore"
)

// trustFlags say where trust roots come from, beside the TrustRoots.
type trustFlags struct {
	trustedRoot string
	tufCache    string
}

func (f *trustFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.trustedRoot, "trusted-root", "", "`file` with the Sigstore trusted root (trusted_root.json) for identities that name no TrustRoot; without it, and without a TrustRoot named default, it is that of Sigstore's public-good instance, which is fetched when first needed")
	flags.StringVar(&f.tufCache, "tuf-cache", "", "`directory` for what was fetched from TUF repositories; a chartgate/tuf in the user's cache directory if empty")
}

// roots makes the trust roots. They hold no TrustRoot yet.
func (f *engineFlags) roots(o trust.Options) (*trust.Roots, error) {
	if f.trustedRoot != "" {
		content, err := os.ReadFile(f.trustedRoot)
		if err != nil {
			return nil, fmt.Errorf("read --trusted-root: %w", err)
		}
		root, err := signature.ParseRoot(content)
		if err != nil {
			return nil, fmt.Errorf("--trusted-root %s: %w", f.trustedRoot, err)
		}
		o.Default = &root
	}
	cas, err := f.cas()
	if err != nil {
		return nil, err
	}
	o.RootCAs, o.CacheDir = cas, f.tufCache
	if o.CacheDir == "" {
		// Without a home there is none, which who needs no TUF repository never feels.
		if dir, err := os.UserCacheDir(); err == nil {
			o.CacheDir = filepath.Join(dir, "chartgate", "tuf")
		}
	}
	return trust.New(o), nil
}

// trustRoots follows the TrustRoots of a cluster. They are never closed: admissions that were
// accepted before the end still need them.
func (f *serveFlags) trustRoots(mgr manager.Manager) (*trust.Roots, *trustrootstore.Store, error) {
	changes := status.NewChanges()
	roots, err := f.roots(trust.Options{Changed: changes.Notify, Log: mgr.GetLogger()})
	if err != nil {
		return nil, nil, err
	}
	store := trustrootstore.New(mgr.GetClient(), f.namespace, roots)
	return roots, store, errors.Join(
		store.SetupWithManager(mgr),
		status.NewTrustRootWriter(mgr.GetClient(), roots, changes).SetupWithManager(mgr),
		mgr.AddReadyzCheck("trustroots", store.Ready),
	)
}

// takeTrustRoots takes the TrustRoots out of documents, and the ConfigMaps that they refer to.
func takeTrustRoots(documents []document) (items []trust.Item, others []document, err error) {
	var objects []v1alpha1.TrustRoot
	for _, d := range documents {
		if kind := d.object.GroupVersionKind(); kind.Group != v1alpha1.Group || kind.Kind != "TrustRoot" {
			others = append(others, d)
			continue
		}
		if err := appendStrict(&objects, d); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", d.file, err)
		}
	}
	configMaps, others, err := takeConfigMaps(others, objects)
	if err != nil {
		return nil, nil, err
	}
	for _, obj := range objects {
		items = append(items, toItem(obj, configMaps))
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
			return nil, nil, fmt.Errorf("%s: %w", d.file, err)
		}
		if _, ok := taken[len(taken)-1].Data[policy.IdentitiesKey]; ok {
			others = append(others, d)
		}
	}
	return taken, others, nil
}

func toItem(obj v1alpha1.TrustRoot, configMaps []corev1.ConfigMap) trust.Item {
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
	switch len(found) {
	case 0:
		item.Err = fmt.Errorf("the ConfigMap %s is not among the policies", ref.Name)
	case 1:
		item.Content, item.Err = trust.ItemOf(found[0].Data, *ref)
	default:
		item.Err = fmt.Errorf("there are two ConfigMaps %s among the policies", ref.Name)
	}
	return item
}
