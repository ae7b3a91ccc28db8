package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/chartgate/chartgate/test/env/process"
)

// Process is a running `chartgate serve`.
type Process struct {
	*process.Server
	// CertDir is where a kubelet would mount a serving certificate that chartgate does not make
	// itself.
	CertDir string
	monitor string // URL of the port of the metrics
}

// Address is where the webhook listens.
func (i *Installation) Address() string { return fmt.Sprintf("127.0.0.1:%d", i.port) }

// Run starts `chartgate serve` with the chart's arguments and waits until it is ready. The test
// replaces the addresses and files that a pod would have of its own; more arguments come last.
func (i *Installation) Run(ctx context.Context, args ...string) (*Process, error) {
	p, err := i.Launch(ctx, args...)
	if err != nil {
		return nil, err
	}
	if err := p.WaitReady(ctx); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	return p, nil
}

// Launch is Run without waiting.
func (i *Installation) Launch(ctx context.Context, args ...string) (*Process, error) {
	binary := i.binary
	if binary == "" {
		var err error
		if binary, err = Chartgate(ctx); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp(i.cluster.dir, "pod-")
	if err != nil {
		return nil, err
	}
	probes, err := process.FreePort()
	if err != nil {
		return nil, err
	}
	metrics, err := process.FreePort()
	if err != nil {
		return nil, err
	}
	p := &Process{CertDir: filepath.Join(dir, "certs"), monitor: fmt.Sprintf("http://127.0.0.1:%d", metrics)}
	mounted, err := i.pod(ctx, p, dir)
	if err != nil {
		return nil, err
	}
	all := append(append([]string{}, i.args...), mounted...)
	all = append(all,
		"--webhook-host=127.0.0.1", fmt.Sprintf("--webhook-port=%d", i.port),
		fmt.Sprintf("--health-probe-bind-address=127.0.0.1:%d", probes),
		fmt.Sprintf("--metrics-bind-address=127.0.0.1:%d", metrics))
	p.Server, err = process.Program{
		Binary: binary, Args: append(all, args...), Dir: dir, Env: i.env,
		Probe: fmt.Sprintf("http://127.0.0.1:%d/readyz", probes),
	}.Start()
	return p, err
}

// pod makes the token and the mounts that a pod would have, and returns the flags that name them.
func (i *Installation) pod(ctx context.Context, p *Process, dir string) ([]string, error) {
	kubeconfig := filepath.Join(dir, "kubeconfig")
	// Of the chart's ServiceAccount: chartgate has the rights that the chart grants it and no
	// others.
	err := errors.Join(os.Mkdir(p.CertDir, 0o700), i.cluster.WriteKubeconfig(ctx, kubeconfig, Namespace, "chartgate"))
	if err != nil {
		return nil, err
	}
	args := []string{"--kubeconfig=" + kubeconfig, "--cert-dir=" + p.CertDir, "--tuf-cache=" + filepath.Join(dir, "tuf")}
	for _, mount := range []struct{ flag, file, content string }{
		{"--trusted-root=", "trusted_root.json", i.trustedRoot},
		{"--registry-ca=", "registry-ca.crt", i.registryCA},
		{"--client-ca=", "client-ca.crt", i.clientCA},
	} {
		if mount.content == "" {
			continue
		}
		path := filepath.Join(dir, mount.file)
		args = append(args, mount.flag+path)
		if err := os.WriteFile(path, []byte(mount.content), 0o600); err != nil {
			return nil, err
		}
	}
	if i.certificate.tls == nil {
		return args, nil
	}
	return args, i.certificate.mount(p.CertDir)
}

// Metrics returns what Prometheus would scrape.
func (p *Process) Metrics(ctx context.Context) (string, error) {
	return p.Monitor(ctx, "/metrics")
}

// Monitor returns what the port of the metrics serves at a path.
func (p *Process) Monitor(ctx context.Context, path string) (string, error) {
	body, err := process.Get(ctx, p.monitor+path)
	return string(body), err
}
