package node

import (
	"context"
	"fmt"
	"net"
	"path/filepath"

	"github.com/chartgate/chartgate/test/env/cluster"
)

const socket = "/run/containerd.sock"

// containerRuntime starts containerd, which runs pods by runc, and joins them to the bridge.
func (n *Node) containerRuntime(ctx context.Context) error {
	bridgePlugin, err := cluster.Tool("bridge")
	if err != nil {
		return err
	}
	registry := n.Registry.Host()
	if _, err := n.write(fmt.Sprintf("server = %q\n[host.%q]\n  capabilities = [\"pull\", \"resolve\"]\n", "http://"+registry, "http://"+registry),
		"certs.d", registry, "hosts.toml"); err != nil {
		return err
	}
	if _, err := n.write(fmt.Sprintf(`{"cniVersion": "1.0.0", "name": "pods", "plugins": [{
  "type": "bridge", "bridge": %q, "isGateway": true, "isDefaultGateway": true, "hairpinMode": true,
  "ipam": {"type": "host-local", "dataDir": "/run/cni", "ranges": [[{"subnet": %q, "rangeStart": %q, "gateway": %q}]]}
}]}`, bridge, pods, firstPod, Address), "cni", "pods.conflist"); err != nil {
		return err
	}
	config, err := n.write(fmt.Sprintf(`version = 4
root = %[1]q
state = "/run/containerd"
imports = []
disabled_plugins = ["io.containerd.nri.v1.nri"]
[plugins."io.containerd.server.v1.grpc"]
  address = %[2]q
[plugins."io.containerd.server.v1.ttrpc"]
  address = %[3]q
[plugins."io.containerd.internal.v1.opt"]
  path = %[4]q
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = %[5]q
[plugins."io.containerd.cri.v1.images".registry]
  config_path = %[6]q
[plugins."io.containerd.cri.v1.runtime"]
  # On a machine without CAP_SYS_RESOURCE no process may lower it, and the sandbox asks for -998.
  restrict_oom_score_adj = true
[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = [%[7]q]
  conf_dir = %[8]q
`, n.folder("containerd"), socket, socket+".ttrpc", n.folder("opt"), n.pause(), n.folder("certs.d"), filepath.Dir(bridgePlugin), n.folder("cni")), "containerd.toml")
	if err != nil {
		return err
	}
	containerd, err := n.start("containerd", "--config", config)
	if err != nil {
		return err
	}
	return containerd.WaitUntil(ctx, func(context.Context) error {
		connection, err := net.Dial("unix", socket)
		if err != nil {
			return err
		}
		return connection.Close()
	})
}
