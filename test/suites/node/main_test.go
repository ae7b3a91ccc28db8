// Package node_test runs chartgate as pods of a real Kubernetes node: from the image of `make image`,
// installed as README.md says. Whatever happens to pods and certificate, no unsigned chart is
// admitted; and where a pod is given the time to end, no write fails.
package node_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/env/node"
	"github.com/chartgate/chartgate/test/env/release"
	"github.com/chartgate/chartgate/test/fixtures/charts"
	"github.com/chartgate/chartgate/test/fixtures/sigstore"
	"github.com/chartgate/chartgate/test/harness"
)

var shared harness.Shared[*site]

func TestMain(m *testing.M) {
	node.Enter()
	harness.Main(m, &shared)
}

// site is the node, and what the reader of README.md has.
type site struct {
	*node.Node
	dir   string // the reader's folder
	shell *harness.Shell
	// installed and enforces say how far the reader is.
	installed, enforces bool
}

func running(t testing.TB) *site {
	t.Helper()
	return shared.Get(t, start)
}

func start(ctx context.Context) (*site, error) {
	s := &site{}
	var err error
	if s.Node, err = node.Start(ctx); err != nil {
		return s, err
	}
	if s.dir, err = os.MkdirTemp("", "chartgate-pods-"); err != nil {
		return s, err
	}
	trust, err := sigstore.New(time.Now)
	if err != nil {
		return s, err
	}
	for _, step := range []func(context.Context, *sigstore.Sigstore) error{s.publish, s.publishCharts, s.prepare, s.reader} {
		if err := step(ctx, trust); err != nil {
			return s, err
		}
	}
	return s, nil
}

// Stop implements harness.Stopper.
func (s *site) Stop() error {
	if s.shell != nil {
		s.shell.Close()
	}
	return errors.Join(s.Node.Stop(), os.RemoveAll(s.dir))
}

// The releases: the second one is the same program under another tag.
const (
	first  = "0.1.0"
	second = "0.2.0"
	image  = "chartgate/chartgate"
)

var digest = regexp.MustCompile(`sha256:[0-9a-f]{64}`)

// publish publishes chartgate.
func (s *site) publish(ctx context.Context, _ *sigstore.Sigstore) error {
	root, err := cluster.Root()
	if err != nil {
		return err
	}
	out, err := release.Make(ctx, root, filepath.Join(root, "bin"), "image", "VERSION=v"+first, "IMAGE_PLATFORMS=linux/amd64",
		"OUTPUT="+filepath.Join(s.dir, "image"), "PUSH="+s.Registry.Host()+"/"+image, "PLAIN_HTTP=true")
	if err != nil {
		return err
	}
	if err := s.Registry.Tag(image, second, digest.FindString(out.Stdout)); err != nil {
		return err
	}
	for _, version := range []string{first, second} {
		if err := harness.PublishChartgate(ctx, s.Registry, version); err != nil {
			return err
		}
	}
	return nil
}

// signer signs what the reader's policy admits.
func signer() sigstore.Identity {
	return sigstore.Identity{
		Issuer: "https://token.actions.githubusercontent.com", Subject: "https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main",
	}
}

// publishCharts publishes a signed and an unsigned chart.
func (s *site) publishCharts(_ context.Context, trust *sigstore.Sigstore) error {
	signing := harness.Signing{Sigstore: trust, By: signer(), Registry: s.Registry}
	for _, name := range []string{"signed", "unsigned"} {
		archive, err := charts.Archive(name, "1.0.0")
		if err != nil {
			return err
		}
		digest, _, err := s.Registry.PushChart("acme/charts/"+name, "1.0.0", archive)
		if err != nil {
			return err
		}
		if name == "unsigned" {
			continue
		}
		if err := signing.Bundle("acme/charts/"+name, digest); err != nil {
			return err
		}
	}
	return nil
}

// prepare makes the cluster one with Flux's resources.
func (s *site) prepare(ctx context.Context, _ *sigstore.Sigstore) error {
	definitions, err := cluster.Tool("crds/flux")
	if err != nil {
		return err
	}
	for _, args := range [][]string{
		{"apply", "--server-side", "-f", definitions + "/"}, // it may be a link
		{"wait", "--for=condition=Established", "crd", "--all"},
		{"create", "namespace", "apps"},
		{"create", "namespace", "flux-system"},
		{"create", "serviceaccount", "source-controller", "--namespace", "flux-system"},
		{"create", "serviceaccount", "helm-controller", "--namespace", "flux-system"},
	} {
		if _, err := s.Kubectl(ctx, "", args...); err != nil {
			return err
		}
	}
	objects, err := cluster.Objects(harness.Source("HelmRepository", "acme", `spec: {type: oci, url: "oci://ghcr.io/acme/charts"}`))
	if err != nil {
		return err
	}
	return s.Apply(ctx, objects...)
}

// reader gives the reader a folder with policies, and a shell with a helm that knows what differs from
// their world.
func (s *site) reader(ctx context.Context, trust *sigstore.Sigstore) error {
	root, err := trust.TrustedRoot()
	if err != nil {
		return err
	}
	policies := harness.Identity("acme-release", fmt.Sprintf("{keyless: {issuer: %q, subject: %q}}", signer().Issuer, signer().Subject)) +
		harness.Policy("acme-charts", `{match: {charts: ["oci://ghcr.io/acme/charts/**"]}, require: [{anyOf: [acme-release]}]}`)
	programs := filepath.Join(s.dir, "programs")
	if err := errors.Join(
		os.WriteFile(filepath.Join(s.dir, "policies.yaml"), []byte(policies), 0o600),
		os.Mkdir(programs, 0o700),
		harness.Helm{Registry: s.Registry.Host(), Image: s.Registry.Host() + "/" + image, TrustedRoot: root, Flags: []string{"--wait"}}.Write(programs),
	); err != nil {
		return err
	}
	s.shell, err = harness.OpenShell(ctx, s.dir, programs, []string{"KUBECONFIG=" + s.Kubeconfig, "HOME=" + s.dir, "HELM_CACHE_HOME=" + s.dir})
	return err
}

// do runs a command of the reader.
func (s *site) do(t testing.TB, command string) {
	t.Helper()
	if printed, err := s.shell.Run(command, false); err != nil {
		t.Fatalf("%s\n%v\n%s", command, err, printed)
	}
}

// upgrade is a command, to which flags are appended.
const upgrade = "helm upgrade chartgate oci://ghcr.io/chartgate/charts/chartgate --namespace chartgate-system --reset-then-reuse-values "

// install installs chartgate, as README.md's first command says.
func (s *site) install(t testing.TB) {
	t.Helper()
	s.do(t, readme(t).Install)
	s.installed = true
}

// enforce does what README.md's other commands say.
func (s *site) enforce(t testing.TB) {
	t.Helper()
	s.do(t, readme(t).Policies)
	s.do(t, readme(t).Enforce)
	s.enforces = true
	s.settled(t)
}

func readme(t testing.TB) harness.Installation {
	t.Helper()
	commands, err := harness.ReadInstallation()
	if err != nil {
		t.Fatal(err)
	}
	return commands
}

// gated is the node with chartgate, which enforces the policies.
func gated(t *testing.T) *site {
	t.Helper()
	s := running(t)
	if !s.installed {
		s.install(t)
	}
	if !s.enforces {
		s.enforce(t)
	}
	s.settled(t)
	return s
}

// pods are chartgate's, also those that end.
func (s *site) pods(t testing.TB) []corev1.Pod {
	t.Helper()
	var list corev1.PodList
	err := s.Client.List(t.Context(), &list, client.InNamespace(cluster.Namespace), client.MatchingLabels{"app.kubernetes.io/name": "chartgate"})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

// settled waits until there are two pods, both ready, and returns them.
func (s *site) settled(t testing.TB) []corev1.Pod {
	t.Helper()
	var pods []corev1.Pod
	harness.Eventually(t, func() string {
		pods = s.pods(t)
		if len(pods) != 2 {
			return fmt.Sprintf("%d pods", len(pods))
		}
		for _, pod := range pods {
			if readySince(pod).IsZero() {
				return fmt.Sprintf("pod %s is not ready: %+v", pod.Name, pod.Status)
			}
		}
		return ""
	})
	return pods
}

// readySince is when a pod became ready; zero if it is not.
func readySince(pod corev1.Pod) time.Time {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
			return condition.LastTransitionTime.Time
		}
	}
	return time.Time{}
}

// flood starts writes; the end of the test ends them.
func (s *site) flood(t *testing.T) *harness.Flood {
	t.Helper()
	objects, err := cluster.Objects(harness.HelmRelease("signed", "spec: {interval: 10m, "+harness.FromRepository("acme", "signed", "1.0.0")+"}") +
		harness.HelmRelease("unsigned", "spec: {interval: 10m, "+harness.FromRepository("acme", "unsigned", "1.0.0")+"}"))
	if err != nil {
		t.Fatal(err)
	}
	f := &harness.Flood{Client: s.Client, Signed: objects[0], Unsigned: objects[1], Clients: 4, Pause: 50 * time.Millisecond}
	f.Start(t)
	return f
}
