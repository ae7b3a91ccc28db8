// Package node runs a real Kubernetes node with its control plane on this machine: etcd, API server,
// controller manager, scheduler, containerd, runc, kubelet, kube-proxy, and a registry for images and
// charts. It needs root, and nothing that `make tools` does not make.
//
// All of it lives in namespaces (Enter). There is no DNS in it, no way to the world outside, and no
// enforcement of NetworkPolicies. Certificates end after a day.
package node

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/env/process"
	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
)

// Name is the node's.
const Name = "node"

// Node is a running cluster of one node.
type Node struct {
	// Cluster is what its admin sees.
	*cluster.Cluster
	// Registry serves images to containerd and charts to pods, over HTTP.
	Registry *registrytest.Registry

	dir     string
	ca      *registrytest.Authority
	servers []server
}

type server struct {
	name string
	*process.Server
}

// Start starts a node inside of the namespaces that Enter made, and waits until it is ready for
// pods. It ends with the program.
func Start(ctx context.Context) (*Node, error) {
	n := &Node{dir: os.Getenv(inside), ca: registrytest.NewAuthority()}
	if n.dir == "" {
		return n, fmt.Errorf("node.Start is called outside of node.Enter")
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(Address, "5000"))
	if err != nil {
		return n, err
	}
	n.Registry = registrytest.New(registrytest.Options{Listener: listener})
	for _, step := range []func(context.Context) error{n.pushPause, n.controlPlane, n.containerRuntime, n.agents, n.ready} {
		if err := step(ctx); err != nil {
			return n, err
		}
	}
	return n, nil
}

// Stop is for harness.Shared. Everything ends with the program.
func (n *Node) Stop() error {
	if n.Registry != nil {
		n.Registry.Close()
	}
	return nil
}

// PID is a process inside of the namespaces, by the number that it has outside.
func (n *Node) PID() (string, error) {
	text, err := os.ReadFile(n.path(pidFile))
	return string(text), err
}

// cgroup is the one that all pods are in.
func (n *Node) cgroup() string { return filepath.Base(n.dir) }

// Log is the end of what each part has written.
func (n *Node) Log() string {
	const kept = 40
	var text strings.Builder
	for _, s := range n.servers {
		lines := strings.Split(strings.TrimSpace(s.Server.Log()), "\n")
		fmt.Fprintf(&text, "--- %s\n%s\n", s.name, strings.Join(lines[max(0, len(lines)-kept):], "\n"))
	}
	return text.String()
}

// ready waits until pods can be scheduled, and have a token of their own.
func (n *Node) ready(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, process.Patience)
	defer stop()
	for {
		err := n.checkReady(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (n *Node) checkReady(ctx context.Context) error {
	var node corev1.Node
	if err := n.Client.Get(ctx, client.ObjectKey{Name: Name}, &node); err != nil {
		return err
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
			return n.Client.Get(ctx, client.ObjectKey{Namespace: "default", Name: "default"}, &corev1.ServiceAccount{})
		}
	}
	return fmt.Errorf("the node is not ready: %v", node.Status.Conditions)
}

// start starts a tool of bin/ with its files in a folder of its own, and its log among those of Log.
func (n *Node) start(tool string, args ...string) (*process.Server, error) {
	binary, err := cluster.Tool(tool)
	if err != nil {
		return nil, err
	}
	started, err := process.Program{Binary: binary, Args: args, Dir: n.folder("home-" + tool), Env: []string{
		"PATH=" + filepath.Dir(binary) + ":" + os.Getenv("PATH"), // the last one counts
	}}.Start()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", tool, err)
	}
	n.servers = append(n.servers, server{tool, started})
	return started, nil
}

// path is a file of the node. Its folder exists.
func (n *Node) path(elements ...string) string {
	path := filepath.Join(append([]string{n.dir}, elements...)...)
	_ = os.MkdirAll(filepath.Dir(path), 0o755) // what needs it fails otherwise
	return path
}

// folder is a folder of the node.
func (n *Node) folder(name string) string { return filepath.Dir(n.path(name, "x")) }

// write writes a file of the node and returns its path.
func (n *Node) write(content string, elements ...string) (string, error) {
	path := n.path(elements...)
	return path, os.WriteFile(path, []byte(content), 0o600)
}
