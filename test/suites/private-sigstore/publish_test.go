package privatesigstore_test

import (
	"context"
	"encoding/json"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/chartgate/chartgate/test/env/sigstore"
	"github.com/chartgate/chartgate/test/fixtures/charts"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/harness"
)

// The signers.
func (w *world) release() sigstore.Identity {
	return w.issuer.Workflow("acme/charts", "acme/charts/.github/workflows/release.yaml@refs/heads/main")
}

func (w *world) maintainer() sigstore.Identity { return w.issuer.Employee("maintainer@acme.example") }

// chart is a chart in a registry.
type chart struct {
	registry     *registrytest.Registry
	name, digest string
}

func (c chart) repository() string { return "acme/charts/" + c.name }

// reference is how cosign names it, and with oci:// in front, how chartgate does.
func (c chart) reference() string {
	return c.registry.Host() + "/" + c.repository() + "@" + c.digest
}

// push pushes a chart of version 1.0.0 with helm.
func (w *world) push(ctx context.Context, to *registrytest.Registry, name string) (chart, error) {
	archive, err := charts.Archive(name, "1.0.0")
	if err != nil {
		return chart{}, err
	}
	digest, err := harness.HelmPush(ctx, archive, to.Host()+"/acme/charts")
	return chart{registry: to, name: name, digest: digest}, err
}

// item is a chart to publish with its attachments.
type item struct {
	registry   *registrytest.Registry
	name       string
	signatures []signature
}

// publish pushes charts and signs them, all at once: a signature takes a second, in which cosign
// waits for the log.
func (w *world) publish(t *testing.T, items ...item) []chart {
	t.Helper()
	published := make([]chart, len(items))
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(8)
	for i, item := range items {
		group.Go(func() error {
			var err error
			if published[i], err = w.push(ctx, item.registry, item.name); err != nil {
				return err
			}
			for _, sign := range item.signatures {
				if err := sign(ctx, w, published[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	return published
}

// signature attaches something to a chart.
type signature func(context.Context, *world, chart) error

// signed is a signature by cosign.
func signed(with *sigstore.Client, by sigstore.Signer) signature {
	return func(ctx context.Context, _ *world, c chart) error { return with.Sign(ctx, by, c.reference()) }
}

// attested is an attestation of the chart by cosign, which is not a signature.
func attested(with *sigstore.Client, by sigstore.Signer) signature {
	return func(ctx context.Context, _ *world, c chart) error {
		return with.Attest(ctx, by, c.reference(), "slsaprovenance1", `{"buildDefinition": {}, "runDetails": {}}`)
	}
}

// copied is a valid signature of another chart.
func copied(with *sigstore.Client, by sigstore.Signer) signature {
	return func(ctx context.Context, w *world, c chart) error {
		other, err := w.push(ctx, c.registry, c.name+"-origin")
		if err != nil {
			return err
		}
		bundle, err := with.Bundle(ctx, by, other.reference())
		if err != nil {
			return err
		}
		_, err = c.registry.AttachBundle(c.repository(), c.digest, bundle, nil)
		return err
	}
}

// forged is a changed signature. The change also gets another signature of the same chart by the
// same identity.
func forged(with *sigstore.Client, by sigstore.Signer, change func(bundle, another map[string]any)) signature {
	return func(ctx context.Context, w *world, c chart) error {
		var bundles [2]map[string]any
		for i := range bundles {
			raw, err := with.Bundle(ctx, by, c.reference())
			if err != nil {
				return err
			}
			if err := json.Unmarshal(raw, &bundles[i]); err != nil {
				return err
			}
		}
		change(bundles[0], bundles[1])
		raw, err := json.Marshal(bundles[0])
		if err != nil {
			return err
		}
		_, err = c.registry.AttachBundle(c.repository(), c.digest, raw, nil)
		return err
	}
}
