package privatesigstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/chartgate/chartgate/test/env/cluster"
)

// TestThroughTheAPIServer: chartgate in a cluster, installed with the trusted root of a private Sigstore.
func TestThroughTheAPIServer(t *testing.T) {
	w := theWorld(t)
	ours, theirs, release := w.ours.Client, w.theirs.Client, w.release()
	w.publish(t,
		item{w.registry, "webhook-signed", []signature{signed(ours, release)}},
		item{w.registry, "webhook-attested", []signature{attested(ours, release)}},
		item{w.registry, "webhook-elsewhere", []signature{signed(theirs, release)}})
	site := w.openCluster(t)
	for _, tc := range []struct {
		sentence, chart string
		want            []string // "Reason field" of each denial; none: admitted
	}{
		{"signed by the right workflow", "webhook-signed", nil},
		{"attested by it, and not signed", "webhook-attested", []string{"SignatureMissing spec.chart.spec"}},
		{"signed in another Sigstore", "webhook-elsewhere", []string{"SignatureInvalid spec.chart.spec"}},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			got, err := create(t.Context(), site, fmt.Sprintf(`apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: %[1]s, namespace: apps}
spec: {interval: 10m, chart: {spec: {chart: %[1]s, version: 1.0.0, sourceRef: {kind: HelmRepository, name: acme}}}}`, tc.chart))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s\nThe API server says %v", diff, err)
			}
		})
	}
}

// create makes an object and returns the causes of its denial.
func create(ctx context.Context, c *cluster.Cluster, text string) (causes []string, err error) {
	objects, err := cluster.Objects(text)
	if err != nil {
		return []string{"Error"}, err
	}
	err = c.Client.Create(ctx, objects[0])
	var status apierrors.APIStatus
	switch {
	case err == nil:
		return nil, nil
	case !errors.As(err, &status) || !strings.Contains(err.Error(), "chartgate.dev\" denied the request"):
		return []string{"Error"}, err
	}
	for _, cause := range status.Status().Details.Causes {
		causes = append(causes, string(cause.Type)+" "+cause.Field)
	}
	return causes, err
}

// openCluster is a cluster with chartgate, for one test.
func (w *world) openCluster(t *testing.T) *cluster.Cluster {
	t.Helper()
	site, err := cluster.Start(t.Context(), []string{"crds/flux"}, []string{"apps"})
	t.Cleanup(func() {
		if err := site.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	root, err := w.ours.TrustedRoot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	install, err := site.Install(t.Context(), map[string]any{
		"plainHTTP": []string{w.registry.Host()}, "trustedRoot": map[string]any{"json": string(root)},
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := cluster.Objects(w.policies())
	if err != nil {
		t.Fatal(err)
	}
	// They are there before chartgate starts, so they are in force as soon as it is ready.
	if err := site.Apply(t.Context(), objects...); err != nil {
		t.Fatal(err)
	}
	gate, err := install.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := gate.Stop(); err != nil {
			t.Error(err)
		}
	})
	if _, err := create(t.Context(), site, fmt.Sprintf(`apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: acme, namespace: apps}
spec: {type: oci, url: "oci://%s/acme/charts"}`, w.registry.Host())); err != nil {
		t.Fatal(err)
	}
	return site
}
