package node

import (
	"context"
	"fmt"
)

// agents starts the kubelet and kube-proxy.
func (n *Node) agents(context.Context) error {
	if err := n.kubelet(); err != nil {
		return err
	}
	kubeconfig, err := n.kubeconfig("kube-proxy", "system:kube-proxy", "")
	if err != nil {
		return err
	}
	// The limits of conntrack are those of the whole machine.
	config, err := n.write(fmt.Sprintf(`apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clusterCIDR: %s
clientConnection: {kubeconfig: %s}
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
`, pods, kubeconfig), "kube-proxy.yaml")
	if err != nil {
		return err
	}
	_, err = n.start("kube-proxy", "--config", config, "--hostname-override", Name)
	return err
}

func (n *Node) kubelet() error {
	cert, key, err := n.certificate("kubelet", "kubelet", "", Address, Name)
	if err != nil {
		return err
	}
	kubeconfig, err := n.kubeconfig("kubelet", "system:node:"+Name, "system:nodes")
	if err != nil {
		return err
	}
	resolv, err := n.write("", "resolv.conf")
	if err != nil {
		return err
	}
	// No eviction: how full the machine is, is not the node's business.
	config, err := n.write(fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupRoot: /%[1]s
containerRuntimeEndpoint: unix://%[2]s
address: %[3]s
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: %[4]s}}
authorization: {mode: Webhook}
tlsCertFile: %[5]s
tlsPrivateKeyFile: %[6]s
makeIPTablesUtilChains: false
failSwapOn: false
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: "0%%", nodefs.available: "0%%", nodefs.inodesFree: "0%%", imagefs.available: "0%%", imagefs.inodesFree: "0%%"}
resolvConf: %[7]s
volumePluginDir: %[8]s
`, n.cgroup(), socket, Address, n.caFile(), cert, key, resolv, n.folder("volume-plugins")), "kubelet.yaml")
	if err != nil {
		return err
	}
	_, err = n.start("kubelet", "--config", config, "--kubeconfig", kubeconfig, "--root-dir", "/var/lib/kubelet", "--cert-dir", n.folder("kubelet-pki"),
		"--hostname-override", Name, "--node-ip", Address)
	return err
}
