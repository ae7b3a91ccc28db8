package flux_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/env/process"
)

// startFlux starts both controllers with the flags of their own deployments, but on 127.0.0.1 and
// without an election. Each writes as its service account.
func (w *site) startFlux(ctx context.Context) error {
	var err error
	if w.dir, err = os.MkdirTemp("", "chartgate-flux-"); err != nil {
		return err
	}
	storage, err := process.FreePort()
	if err != nil {
		return err
	}
	address, artifacts := fmt.Sprintf("127.0.0.1:%d", storage), filepath.Join(w.dir, "artifacts")
	if err := os.Mkdir(artifacts, 0o700); err != nil {
		return err
	}
	w.source, err = w.launch(ctx, "source-controller",
		"--storage-path="+artifacts, "--storage-addr="+address, "--storage-adv-addr="+address)
	if err != nil {
		return err
	}
	if w.helm, err = w.launch(ctx, "helm-controller"); err != nil {
		return err
	}
	if err := w.source.WaitReady(ctx); err != nil {
		return err
	}
	return w.helm.WaitReady(ctx)
}

func (w *site) launch(ctx context.Context, name string, args ...string) (*process.Server, error) {
	binary, err := cluster.Tool(name)
	if err != nil {
		return nil, err
	}
	health, err := process.FreePort()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(w.dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := w.WriteKubeconfig(ctx, kubeconfig, fluxNamespace, name); err != nil {
		return nil, err
	}
	address := fmt.Sprintf("127.0.0.1:%d", health)
	return process.Program{
		Binary: binary, Dir: dir, Probe: "http://" + address + "/readyz",
		Env: []string{"KUBECONFIG=" + kubeconfig, "RUNTIME_NAMESPACE=" + fluxNamespace},
		Args: append(args, "--watch-all-namespaces", "--log-level=debug", "--log-encoding=json",
			"--health-addr="+address, "--metrics-addr=0",
			// By default the time between attempts doubles up to 15 minutes.
			"--max-retry-delay=5s"),
	}.Start()
}
