// Package scan_test takes stock of a real kube-apiserver with "chartgate scan": what it lists, what
// it says of it, and what it does with bad input. Rows name ghcr.io, which is a registry on
// 127.0.0.1.
package scan_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/inventory"
	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/fixtures/charts"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
	"github.com/chartgate/chartgate/test/harness"
)

// TestMain stops what the tests have shared.
func TestMain(m *testing.M) { harness.Main(m, &shared) }

var shared harness.Shared[*place]

// place is a cluster with Flux's and Argo CD's definitions, without chartgate, and a registry.
type place struct {
	*cluster.Cluster
	registry *registrytest.Registry
	sigstore *sigstore.Sigstore
	dir      string // with root.json and policies.yaml
	key      string // the fingerprint of the key that no one has named
	digests  map[string]string
	layers   map[string]string
}

const (
	issuer  = "https://token.actions.githubusercontent.com"
	release = "https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main"
)

func thePlace(t *testing.T) *place {
	t.Helper()
	return shared.Get(t, open)
}

func open(ctx context.Context) (*place, error) {
	p := &place{registry: registrytest.New(registrytest.Options{}), digests: map[string]string{}, layers: map[string]string{}}
	var err error
	if p.dir, err = os.MkdirTemp("", "chartgate-scan-"); err != nil {
		return p, err
	}
	if p.sigstore, err = sigstore.New(time.Now); err != nil {
		return p, err
	}
	root, err := p.sigstore.TrustedRoot()
	if err != nil {
		return p, err
	}
	if err := os.WriteFile(filepath.Join(p.dir, "root.json"), root, 0o600); err != nil {
		return p, err
	}
	if err := os.WriteFile(filepath.Join(p.dir, "policies.yaml"), []byte(p.local(policies)), 0o600); err != nil {
		return p, err
	}
	if err := p.publish(); err != nil {
		return p, err
	}
	p.Cluster, err = cluster.Start(ctx, cluster.Options{
		CRDs: []string{"crds/flux", "crds/argo"}, Namespaces: []string{"apps", "legacy", "argocd", "flux-system"},
	})
	if err != nil {
		return p, err
	}
	if err := p.apply(ctx, objects); err != nil {
		return p, err
	}
	return p, p.installByHand(ctx)
}

// installByHand installs one chart with helm, twice, and one as helm-controller does for a
// HelmRelease: it keeps its releases as helm does. A third one is uninstalled, and helm keeps its history.
func (p *place) installByHand(ctx context.Context) error {
	archive, err := charts.Archive("byhand", "2.0.0")
	if err != nil {
		return err
	}
	file := filepath.Join(p.dir, "byhand.tgz")
	if err := os.WriteFile(file, archive, 0o600); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"install", "by-hand", file, "-n", "apps"}, {"upgrade", "by-hand", file, "-n", "apps"},
		{"install", "podinfo", file, "-n", "apps"},
		{"install", "gone", file, "-n", "apps"}, {"upgrade", "gone", file, "-n", "apps"}, {"uninstall", "gone", "--keep-history", "-n", "apps"},
	} {
		if _, err := cluster.Helm(ctx, "", append(args, "--kubeconfig", p.Kubeconfig)...); err != nil {
			return err
		}
	}
	return p.keepInConfigMap(ctx)
}

// keepInConfigMap copies a release of helm's into a ConfigMap, as helm writes it with
// HELM_DRIVER=configmap.
func (p *place) keepInConfigMap(ctx context.Context) error {
	var secret corev1.Secret
	if err := p.Client.Get(ctx, client.ObjectKey{Namespace: "apps", Name: "sh.helm.release.v1.by-hand.v2"}, &secret); err != nil {
		return err
	}
	return p.Client.Create(ctx, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "apps", Name: "sh.helm.release.v1.other-driver.v1",
			Labels: map[string]string{"owner": "helm", "name": "other-driver", "version": "1", "status": "deployed"},
		},
		Data: map[string]string{"release": string(secret.Data["release"])},
	})
}

// Stop stops the cluster and the registry.
func (p *place) Stop() error {
	p.registry.Close()
	err := os.RemoveAll(p.dir)
	if p.Cluster != nil {
		err = errors.Join(err, p.Cluster.Stop())
	}
	return err
}

// publish pushes the charts: podinfo by the release workflow, stranger by another one, unsigned, and
// keyed, signed with a key that no one has named. The tag moved:1.0.0 has been pushed twice.
func (p *place) publish() error {
	key, err := sigstore.NewKey()
	if err != nil {
		return err
	}
	public, err := key.PEM()
	if err != nil {
		return err
	}
	keys, err := evidence.ParsePublicKeys(string(public))
	if err != nil {
		return err
	}
	p.key = keys[0].Fingerprint()
	by := map[string]sigstore.Signer{
		"podinfo":  sigstore.Identity{Issuer: issuer, Subject: release},
		"moved":    sigstore.Identity{Issuer: issuer, Subject: release},
		"stranger": sigstore.Identity{Issuer: issuer, Subject: "https://github.com/mallory/x"},
		"keyed":    key, "unsigned": nil,
	}
	for name, signer := range by {
		if err := p.push(name, "old", signer); err != nil {
			return err
		}
		if name != "moved" {
			continue
		}
		p.digests["before"], p.layers["before"] = p.digests[name], p.layers[name]
		if err := p.push(name, "new", signer); err != nil {
			return err
		}
	}
	return nil
}

func (p *place) push(name, content string, by sigstore.Signer) error {
	archive, err := charts.Archive(name, "1.0.0", charts.File{Name: "values.yaml", Body: "content: " + content})
	if err != nil {
		return err
	}
	if p.digests[name], p.layers[name], err = p.registry.PushChart("acme/"+name, "1.0.0", archive); err != nil || by == nil {
		return err
	}
	return harness.Signing{Sigstore: p.sigstore, By: by, Registry: p.registry}.Bundle("acme/"+name, p.digests[name])
}

func (p *place) local(text string) string {
	pairs := []string{"ghcr.io", p.registry.Host()}
	for name, digest := range p.digests {
		pairs = append(pairs, "sha256:<"+name+">", digest, "sha256:<layer of "+name+">", p.layers[name])
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

func (p *place) public(text string) string {
	pairs := []string{p.registry.Host(), "ghcr.io", p.dir, "DIR"}
	for name, digest := range p.digests {
		pairs = append(pairs, digest, "sha256:<"+name+">", p.layers[name], "sha256:<layer of "+name+">")
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// apply creates objects with their status, which the API server takes from a write to status only.
func (p *place) apply(ctx context.Context, text string) error {
	all, err := cluster.Objects(p.local(text))
	if err != nil {
		return err
	}
	for _, object := range all {
		status, has := object.Object["status"]
		if err := p.Client.Create(ctx, object); err != nil {
			return fmt.Errorf("create %s %s: %w", object.GetKind(), object.GetName(), err)
		}
		if !has || object.GetKind() == "Application" {
			continue
		}
		object.Object["status"] = status
		if err := p.Client.Status().Update(ctx, object); err != nil {
			return fmt.Errorf("write the status of %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return nil
}

// told is what a command leaves behind.
type told struct {
	Code           int
	Stdout, Stderr string
}

// scan runs "chartgate scan" as the admin, unless args name another kubeconfig.
func (p *place) scan(t testing.TB, args ...string) told {
	t.Helper()
	all := []string{"scan", "--plain-http", p.registry.Host(), "--trusted-root", filepath.Join(p.dir, "root.json")}
	if !strings.Contains(strings.Join(args, " "), "--kubeconfig") {
		all = append(all, "--kubeconfig", p.Kubeconfig)
	}
	return p.run(t, append(all, args...)...)
}

func (p *place) run(t testing.TB, args ...string) told {
	t.Helper()
	binary, err := cluster.Chartgate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), harness.Patience)
	defer stop()
	cmd := exec.CommandContext(ctx, binary, args...)
	var stdout, stderr bytes.Buffer
	cmd.Env = []string{"HOME=" + p.dir, "PATH=" + os.Getenv("PATH")}
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended || ctx.Err() != nil {
		t.Fatalf("%v: %s", errors.Join(err, ctx.Err()), stderr.String())
	}
	return told{Code: cmd.ProcessState.ExitCode(), Stdout: p.public(stdout.String()), Stderr: p.public(stderr.String())}
}

// inventory reads the JSON of a scan.
func (r told) inventory(t testing.TB) inventory.Inventory {
	t.Helper()
	var found inventory.Inventory
	if err := json.Unmarshal([]byte(r.Stdout), &found); err != nil {
		t.Fatalf("%v: %+v", err, r)
	}
	return found
}

// create creates an object until the end of the test.
func (p *place) create(t testing.TB, object client.Object) {
	t.Helper()
	if err := p.Client.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Client.Delete(context.Background(), object); err != nil {
			t.Error(err)
		}
	})
}
