package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
)

// Mount does what a kubelet does with the chart's Secret volume: once the Secret that the chart left empty is
// filled, its files appear. As in the Deployment, the CA's key is not among them.
func (i *Installation) Mount(ctx context.Context, p *Process) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	key := types.NamespacedName{Namespace: Namespace, Name: i.flag("certificate-secret")}
	for {
		var secret corev1.Secret
		err := i.cluster.Client.Get(ctx, key, &secret)
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("read Secret %s: %w", key, err)
		}
		found := certificate{tls: secret.Data["tls.crt"], key: secret.Data["tls.key"]}
		if len(found.tls) > 0 && len(found.key) > 0 {
			return found.mount(p.CertDir)
		}
		select {
		case <-p.exited:
			return fmt.Errorf("chartgate ended: %w\n%s", p.err, p.Log())
		case <-ctx.Done():
			return errors.New("nobody filled Secret " + key.String() + "\n" + p.Log())
		case <-time.After(50 * time.Millisecond):
		}
	}
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
