package e2e_test

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/chartgate/chartgate/test/env/cluster"
)

// BenchmarkStart is the time from the start of the process until it is ready, with a certificate
// that chartgate makes itself: in a new cluster, where its Secret is empty, and for a later pod.
// TestStart in pkg/servingcert checks that it does not wait.
func BenchmarkStart(b *testing.B) {
	c, err := cluster.Start(b.Context(), cluster.Options{CRDs: []string{"crds/flux", "crds/argo"}})
	b.Cleanup(func() {
		if err := c.Stop(); err != nil {
			b.Error(err)
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	install, err := c.Install(b.Context(), nil, true)
	if err != nil {
		b.Fatal(err)
	}
	for _, bc := range []struct {
		name  string
		empty bool
	}{{"Secret=empty", true}, {"Secret=filled", false}} {
		b.Run(bc.name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				if bc.empty {
					emptySecret(b, c)
				}
				b.StartTimer()
				process, err := install.Launch(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				untilReady(b, process)
				b.StopTimer()
				if err := process.Stop(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

func emptySecret(b *testing.B, c *cluster.Cluster) {
	b.Helper()
	var secret corev1.Secret
	if err := c.Client.Get(b.Context(), types.NamespacedName{Namespace: cluster.Namespace, Name: "chartgate-certificate"}, &secret); err != nil {
		b.Fatal(err)
	}
	secret.Data = nil
	if err := c.Client.Update(b.Context(), &secret); err != nil {
		b.Fatal(err)
	}
}

// untilReady asks often: the pause of a kubelet's probe does not count.
func untilReady(b *testing.B, process *cluster.Process) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 2*time.Minute)
	defer cancel()
	for process.Ready(ctx) != nil {
		if ctx.Err() != nil {
			b.Fatalf("chartgate is not ready:\n%s", process.Log())
		}
		time.Sleep(5 * time.Millisecond)
	}
}
