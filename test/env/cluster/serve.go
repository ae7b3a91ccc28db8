package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/chartgate/chartgate/test/env/process"
)

// patience bounds every wait for something that takes a second on an idle machine.
const patience = 2 * time.Minute

// Process is a running `chartgate serve`.
type Process struct {
	// CertDir is where a kubelet would mount the serving certificate.
	CertDir string

	cmd    *exec.Cmd
	log    *process.Journal
	probes string // base URL of /healthz and /readyz
	scrape string // URL of /metrics
	exited chan struct{}
	err    error // of the exit; read it after exited is closed
}

// Address is where the webhook listens.
func (i *Installation) Address() string { return fmt.Sprintf("127.0.0.1:%d", i.port) }

// Run starts `chartgate serve` with the chart's arguments, of which the test replaces what a pod would have of its own
// (addresses, files), and waits until it is ready. More arguments come last. A certificate that chartgate makes itself is
// mounted as a kubelet would.
func (i *Installation) Run(ctx context.Context, args ...string) (*Process, error) {
	p, err := i.Launch(ctx, args...)
	if err != nil {
		return nil, err
	}
	if i.certificate.tls == nil {
		err = i.Mount(ctx, p)
	}
	if err == nil {
		err = p.WaitReady(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	return p, nil
}

// Launch is Run without waiting, and without mounting the certificate that chartgate makes.
func (i *Installation) Launch(ctx context.Context, args ...string) (*Process, error) {
	binary, err := Chartgate(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(i.cluster.dir, "pod-")
	if err != nil {
		return nil, err
	}
	p := &Process{CertDir: filepath.Join(dir, "certs"), log: &process.Journal{}, exited: make(chan struct{})}
	own, err := i.pod(ctx, p, dir)
	if err != nil {
		return nil, err
	}
	all := append(append(append([]string{}, i.args...), own...), args...)
	// Not CommandContext: a context that ends must not kill the process before its graceful end is tested.
	p.cmd = exec.Command(binary, all...)
	p.cmd.Env = append([]string{"HOME=" + dir, "TMPDIR=" + dir, "PATH=" + os.Getenv("PATH")}, i.env...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// pod makes what a pod would have: its token, its mounts and its addresses.
func (i *Installation) pod(ctx context.Context, p *Process, dir string) ([]string, error) {
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := errors.Join(os.Mkdir(p.CertDir, 0o700), i.writeKubeconfig(ctx, kubeconfig)); err != nil {
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
	p.probes, p.scrape = fmt.Sprintf("http://127.0.0.1:%d", probes), fmt.Sprintf("http://127.0.0.1:%d/metrics", metrics)
	args := []string{
		"--kubeconfig=" + kubeconfig, "--cert-dir=" + p.CertDir, "--tuf-cache=" + filepath.Join(dir, "tuf"),
		"--webhook-host=127.0.0.1", fmt.Sprintf("--webhook-port=%d", i.port),
		fmt.Sprintf("--health-probe-bind-address=127.0.0.1:%d", probes),
		fmt.Sprintf("--metrics-bind-address=127.0.0.1:%d", metrics),
	}
	for _, mount := range []struct{ flag, file, content string }{
		{"--trusted-root=", "trusted_root.json", i.trustedRoot},
		{"--registry-ca=", "ca.crt", i.registryCA},
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

// writeKubeconfig makes one of the chart's ServiceAccount, so that chartgate has the rights that the chart grants it and
// no others.
func (i *Installation) writeKubeconfig(ctx context.Context, path string) error {
	return i.cluster.WriteKubeconfig(ctx, path, Namespace, "chartgate")
}

// Ready asks /readyz. What is not ready is an error.
func (p *Process) Ready(ctx context.Context) error {
	_, err := process.Get(ctx, p.probes+"/readyz")
	return err
}

// Metrics returns what Prometheus would scrape.
func (p *Process) Metrics(ctx context.Context) (string, error) {
	body, err := process.Get(ctx, p.scrape)
	return string(body), err
}

// WaitReady waits until /readyz answers.
func (p *Process) WaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := p.Ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.exited:
			return fmt.Errorf("chartgate ended: %w\n%s", p.err, p.Log())
		case <-ctx.Done():
			return fmt.Errorf("chartgate is not ready: %w\n%s", err, p.Log())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Terminate sends SIGTERM, as a kubelet does, and does not wait.
func (p *Process) Terminate() error { return p.cmd.Process.Signal(syscall.SIGTERM) }

// Wait waits for the end. Anything but exit code 0 is an error.
func (p *Process) Wait() error {
	select {
	case <-p.exited:
	case <-time.After(patience):
		return errors.Join(fmt.Errorf("chartgate did not end within %s of SIGTERM\n%s", patience, p.Log()), p.cmd.Process.Kill())
	}
	if p.err != nil {
		return fmt.Errorf("chartgate ended: %w\n%s", p.err, p.Log())
	}
	return nil
}

// Stop sends SIGTERM and waits for the end.
func (p *Process) Stop() error {
	select {
	case <-p.exited:
		return p.Wait()
	default:
		return errors.Join(p.Terminate(), p.Wait())
	}
}

// Log is what the process has written.
func (p *Process) Log() string { return p.log.String() }
