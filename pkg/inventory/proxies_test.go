package inventory_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/inventory"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	"github.com/chartgate/chartgate/test/harness"
)

// deadProxies is a registry client for which the proxies of tenants do not answer, as the real one says it.
type deadProxies struct{ gate.Registry }

func (d deadProxies) Resolve(ctx context.Context, ref chart.Reference, access sourceauth.Auth) (artifact.Resolved, error) {
	if access.Proxy != "" {
		return artifact.Resolved{}, &problem.Error{Kind: problem.KindUnavailable, Detail: "no connection to the proxy"}
	}
	return d.Registry.Resolve(ctx, ref, access)
}

func (d deadProxies) Artifact(ctx context.Context, ref chart.Reference, access sourceauth.Auth, by artifact.LayerRule) (artifact.Resolved, error) {
	if access.Proxy != "" {
		return d.Resolve(ctx, ref, access)
	}
	return d.Registry.Artifact(ctx, ref, access, by)
}

// TestAttackATenantsProxySilencesAHost: a tenant's dead proxies keep no run from looking at the charts of others at the
// same registry.
func TestAttackATenantsProxySilencesAHost(t *testing.T) {
	const honest, attackers = 30, 8
	f := newFleet(t, signer, 1, 0, honest)
	const at = `{"url": "oci://%s/acme/chart-%d", "ref": {"tag": "1.0.0"}, "layerSelector": {"mediaType": "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "operation": "copy"}%s}`
	repository := func(namespace string, n int, proxy string) source.Object {
		name := fmt.Sprintf("x-%d", n)
		f.add("source.toolkit.fluxcd.io/v1", "OCIRepository", namespace, name, fmt.Sprintf(at, f.registry.Host(), n, proxy))
		return f.objects[source.ID{Group: "source.toolkit.fluxcd.io", Kind: "OCIRepository", Namespace: namespace, Name: name}]
	}
	var all []source.Object
	for n := range attackers {
		all = append(all, repository("aaa", n, fmt.Sprintf(`, "proxySecretRef": {"name": "p-%d"}`, n)))
	}
	for n := range honest {
		all = append(all, repository("victim", n, ""))
	}
	inspector := inventory.New(inventory.Options{
		Gate: f.gate, Extractor: source.NewExtractor(f.objects, source.Options{PlainHTTP: []string{f.registry.Host()}}), Reader: f.objects,
		Judged: true, PerHost: 4, Timeout: harness.Patience, Now: time.Now,
	})
	for row := range inspector.Rows(t.Context(), slices.Values(all)) {
		if honest := row.Object.Namespace == "victim"; honest != (row.Verdict == "Verified") {
			t.Errorf("%s/%s: %s", row.Object.Namespace, row.Object.Name, row.Message)
		}
	}
}
