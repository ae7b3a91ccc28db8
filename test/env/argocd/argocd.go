// Package argocd runs Argo CD's own application controller and repo-server as programs, with the
// rights of their own installation. The controller writes as its service account.
package argocd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/env/process"
)

// Namespace is where Argo CD belongs. Applications may be in any namespace.
const Namespace = "argocd"

// CRDs are the directories of the definitions that the controller needs.
func CRDs() []string { return []string{"crds/argo3"} }

// Options say what this Argo CD has beside what an installation has.
type Options struct {
	// CAs are certificates in PEM that are trusted for a host, named without its port, instead of
	// the system's.
	CAs map[string]string
	// Env is added to the environment of the programs.
	Env []string
}

// ArgoCD is an application controller, a repo-server, and the Redis between them.
type ArgoCD struct {
	cluster *cluster.Cluster
	dir     string
	env     []string
	servers map[string]*process.Server
}

// Start installs Argo CD's objects, among them the AppProject default, starts the programs on
// 127.0.0.1 and waits until they are ready. Only the controller's port for metrics listens on every
// address: it has no flag for that. Stop stops them, also after an error.
func Start(ctx context.Context, c *cluster.Cluster, o Options) (*ArgoCD, error) {
	a := &ArgoCD{cluster: c, env: o.Env, servers: map[string]*process.Server{}}
	var err error
	if a.dir, err = os.MkdirTemp("", "chartgate-argocd-"); err != nil {
		return a, err
	}
	if err := a.install(ctx, o.CAs); err != nil {
		return a, err
	}
	redis, err := a.startRedis(ctx)
	if err != nil {
		return a, err
	}
	repoServer, err := a.startRepoServer(ctx, redis)
	if err != nil {
		return a, err
	}
	return a, a.startController(ctx, redis, repoServer)
}

// install applies what the programs read, and mounts the CAs, as a kubelet does, as files.
func (a *ArgoCD) install(ctx context.Context, cas map[string]string) error {
	objects, err := cluster.Objects(installation)
	if err != nil {
		return err
	}
	if err := os.Mkdir(a.path("tls"), 0o700); err != nil {
		return err
	}
	data := map[string]any{}
	for host, pem := range cas {
		data[host] = pem
		if err := os.WriteFile(a.path("tls", host), []byte(pem), 0o600); err != nil {
			return err
		}
	}
	for _, object := range objects {
		if object.GetName() == "argocd-tls-certs-cm" {
			object.Object["data"] = data
		}
	}
	return a.cluster.Apply(ctx, objects...)
}

func (a *ArgoCD) startRedis(ctx context.Context) (address string, err error) {
	if address, err = freeAddress(); err != nil {
		return "", err
	}
	server, err := a.launch("argocd-redis", process.Program{Args: []string{address}})
	if err != nil {
		return "", err
	}
	return address, server.WaitUntil(ctx, func(context.Context) error {
		connection, err := net.Dial("tcp", address)
		if err == nil {
			err = connection.Close()
		}
		return err
	})
}

func (a *ArgoCD) startRepoServer(ctx context.Context, redis string) (address string, err error) {
	helm, err := cluster.Tool("helm")
	if err != nil {
		return "", err
	}
	if address, err = freeAddress(); err != nil {
		return "", err
	}
	metrics, err := freeAddress()
	if err != nil {
		return "", err
	}
	server, err := a.launch("argocd-repo-server", process.Program{
		Env: []string{
			"PATH=" + filepath.Dir(helm) + ":" + os.Getenv("PATH"),
			"ARGOCD_TLS_DATA_PATH=" + a.path("tls"),
			"ARGOCD_ASK_PASS_SOCK=" + a.path("ask-pass.sock"),
			"ARGOCD_GPG_ENABLED=false",
		},
		Args: []string{
			"--address=127.0.0.1", "--port=" + port(address),
			"--metrics-address=127.0.0.1", "--metrics-port=" + port(metrics),
			"--redis=" + redis,
		},
		Probe: "http://" + metrics + "/healthz",
	})
	if err != nil {
		return "", err
	}
	return address, server.WaitReady(ctx)
}

func (a *ArgoCD) startController(ctx context.Context, redis, repoServer string) error {
	kubeconfig := a.path("kubeconfig")
	if err := a.cluster.WriteKubeconfig(ctx, kubeconfig, Namespace, "argocd-application-controller"); err != nil {
		return err
	}
	metrics, err := freeAddress()
	if err != nil {
		return err
	}
	server, err := a.launch("argocd-application-controller", process.Program{
		// The destination https://kubernetes.default.svc is the cluster of the kubeconfig.
		Env: []string{"KUBECONFIG=" + kubeconfig, "ARGOCD_FAKE_IN_CLUSTER=true"},
		Args: []string{
			"--namespace=" + Namespace, "--application-namespaces=*",
			"--redis=" + redis, "--repo-server=" + repoServer, "--metrics-port=" + port(metrics),
			// By default an idle application is refreshed every two to three minutes.
			"--app-resync=10", "--app-resync-jitter=0",
			// By default the time between repairs of an application grows up to five minutes.
			"--self-heal-backoff-cap-seconds=3",
		},
		Probe: "http://" + metrics + "/healthz",
	})
	if err != nil {
		return err
	}
	return server.WaitReady(ctx)
}

// launch starts a program by its name, in a directory of its own.
func (a *ArgoCD) launch(name string, p process.Program) (*process.Server, error) {
	var err error
	if p.Binary, err = cluster.Tool(name); err != nil {
		return nil, err
	}
	p.Dir, p.Env = a.path(name), append(p.Env, a.env...)
	if err := os.Mkdir(p.Dir, 0o700); err != nil {
		return nil, err
	}
	server, err := p.Start()
	if err != nil {
		return nil, err
	}
	a.servers[name] = server
	return server, nil
}

func (a *ArgoCD) path(elements ...string) string {
	return filepath.Join(append([]string{a.dir}, elements...)...)
}

func freeAddress() (string, error) {
	free, err := process.FreePort()
	return fmt.Sprintf("127.0.0.1:%d", free), err
}

func port(address string) string {
	_, port, _ := strings.Cut(address, ":")
	return port
}

// Stop ends the programs. It is an error if one has ended by itself.
func (a *ArgoCD) Stop() error {
	if a == nil {
		return nil
	}
	var errs []error
	for _, server := range a.servers {
		errs = append(errs, server.Kill())
	}
	if a.dir != "" {
		errs = append(errs, os.RemoveAll(a.dir))
	}
	return errors.Join(errs...)
}

// Log is what the programs have written.
func (a *ArgoCD) Log() string {
	if a == nil {
		return ""
	}
	var text strings.Builder
	for name, server := range a.servers {
		fmt.Fprintf(&text, "== %s\n%s\n", name, server.Log())
	}
	return text.String()
}
