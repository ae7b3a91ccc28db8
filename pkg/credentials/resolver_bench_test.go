package credentials_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/pkg/credentials"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	"github.com/chartgate/chartgate/test/env/cluster"
)

// BenchmarkResolve measures what an admission waits for at a real API server: for Flux the read of
// a source and of its Secret, for Argo CD with 1, 100 and 500 repository Secrets. Before each one,
// a ConfigMap is written, because the cost of a list depends on other writes.
func BenchmarkResolve(b *testing.B) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		b.Skip("it needs a control plane: make bench-credentials")
	}
	c, err := cluster.Start(b.Context(), cluster.Options{Namespaces: []string{"apps", "argocd"}})
	b.Cleanup(func() {
		if err := c.Stop(); err != nil {
			b.Error(err)
		}
	})
	must := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	must(err)
	source := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "source"}}
	must(c.Client.Create(b.Context(), source))
	must(c.Client.Create(b.Context(), secret("login", login("u"))))
	must(c.Client.Create(b.Context(), repository("repo", helmURL, login("u"))))
	watcher, err := client.NewWithWatch(c.Config, client.Options{})
	must(err)

	resolve := func(b *testing.B, r *credentials.Resolver, auth sourceauth.Auth) {
		b.Helper()
		auth.StoredHost, auth.NamedHost = "ghcr.io", "ghcr.io"
		found, err := r.Resolve(b.Context(), auth, at(b, "ghcr.io/acme/charts/podinfo"))
		if err != nil || found.Login == nil {
			b.Fatalf("%+v, %v", found, err)
		}
	}
	measure := func(b *testing.B, work func()) {
		b.Helper()
		for n := 0; b.Loop(); n++ {
			b.StopTimer()
			source.Data = map[string]string{"n": fmt.Sprint(b.Name(), n)}
			must(c.Client.Update(b.Context(), source))
			b.StartTimer()
			work()
		}
	}
	start := func(b *testing.B, o credentials.Options) *credentials.Resolver {
		o.Reader, o.ArgoNamespace = watcher, "argocd"
		r := credentials.New(o)
		ctx, cancel := context.WithCancel(b.Context())
		b.Cleanup(cancel)
		go func() { _ = r.Start(ctx) }()
		resolve(b, r, argoSource(helmURL))
		time.Sleep(time.Second) // until the watch is running
		return r
	}
	b.Run("flux", func(b *testing.B) {
		r := start(b, credentials.Options{})
		measure(b, func() {
			must(watcher.Get(b.Context(), client.ObjectKeyFromObject(source), &corev1.ConfigMap{}))
			resolve(b, r, withSecret("login"))
		})
	})
	made := 1
	for _, count := range []int{1, 100, 500} {
		for ; made < count; made++ {
			must(c.Client.Create(b.Context(), repository(fmt.Sprint("repo-", made), fmt.Sprint("quay.io/", made), login("u"))))
		}
		for name, o := range map[string]credentials.Options{"watched": {Watcher: watcher}, "listed": {}} {
			b.Run(fmt.Sprintf("argo/%d/%s", count, name), func(b *testing.B) {
				r := start(b, o)
				measure(b, func() { resolve(b, r, argoSource(helmURL)) })
			})
		}
	}
}
