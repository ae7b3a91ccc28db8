package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Mount does what a kubelet does with the chart's Secret volume: once the Secret that the chart left
// empty is filled, its files appear. As in the Deployment, the CA's key is not among them.
func (i *Installation) Mount(ctx context.Context, p *Process) error {
	key := types.NamespacedName{Namespace: Namespace, Name: i.flag("certificate-secret")}
	return p.WaitUntil(ctx, func(ctx context.Context) error {
		var secret corev1.Secret
		if err := i.cluster.Client.Get(ctx, key, &secret); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("read Secret %s: %w", key, err)
		}
		found := certificate{tls: secret.Data["tls.crt"], key: secret.Data["tls.key"]}
		if len(found.tls) == 0 || len(found.key) == 0 {
			return errors.New("Secret " + key.String() + " is not filled")
		}
		return found.mount(p.CertDir)
	})
}

// flag is the value that the chart gives a flag.
func (i *Installation) flag(name string) string {
	for _, arg := range i.args {
		if value, ok := strings.CutPrefix(arg, "--"+name+"="); ok {
			return value
		}
	}
	return ""
}
