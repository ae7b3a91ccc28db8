package node

import (
	"context"
	"net"
	"path/filepath"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/env/process"
)

const (
	apiPort = "6443"
	etcdURL = "http://127.0.0.1:2379"
)

// controlPlane starts etcd, the API server, the controller manager and the scheduler.
func (n *Node) controlPlane(ctx context.Context) error {
	if _, err := n.start("etcd", "--data-dir", n.path("etcd"), "--unsafe-no-fsync", "--log-level", "warn",
		"--listen-client-urls", etcdURL, "--advertise-client-urls", etcdURL); err != nil {
		return err
	}
	api, err := n.apiServer()
	if err != nil {
		return err
	}
	admin, err := n.kubeconfig("admin", "admin", "system:masters")
	if err != nil {
		return err
	}
	if n.Cluster, err = cluster.Connect(admin); err != nil {
		return err
	}
	if err := api.WaitUntil(ctx, func(ctx context.Context) error {
		_, err := n.Kubectl(ctx, "", "get", "--raw", "/readyz")
		return err
	}); err != nil {
		return err
	}
	return n.controllers()
}

func (n *Node) apiServer() (*process.Server, error) {
	cert, key, err := n.certificate("kube-apiserver", "kube-apiserver", "", Address, firstIP, "127.0.0.1", "localhost", "kubernetes.default.svc")
	if err != nil {
		return nil, err
	}
	clientCert, clientKey, err := n.certificate("apiserver-kubelet", "apiserver-kubelet", "system:masters")
	if err != nil {
		return nil, err
	}
	accountsCert, accountsKey, err := n.certificate("service-accounts", "service-accounts", "")
	if err != nil {
		return nil, err
	}
	return n.start("kube-apiserver", "--etcd-servers", etcdURL,
		"--advertise-address", Address, "--secure-port", apiPort, "--allow-privileged",
		"--tls-cert-file", cert, "--tls-private-key-file", key, "--client-ca-file", n.caFile(),
		"--kubelet-client-certificate", clientCert, "--kubelet-client-key", clientKey,
		"--kubelet-certificate-authority", n.caFile(), "--kubelet-preferred-address-types", "InternalIP",
		"--authorization-mode", "Node,RBAC", "--enable-admission-plugins", "NodeRestriction",
		"--service-account-issuer", "https://kubernetes.default.svc", "--service-account-signing-key-file", accountsKey,
		"--service-account-key-file", accountsCert, "--service-cluster-ip-range", services)
}

func (n *Node) controllers() error {
	for _, c := range []struct {
		tool, user string
		args       []string
	}{
		{"kube-controller-manager", "system:kube-controller-manager", []string{
			"--use-service-account-credentials", "--service-account-private-key-file", n.path("pki", "service-accounts.key"), "--root-ca-file", n.caFile(),
		}},
		{"kube-scheduler", "system:kube-scheduler", nil},
	} {
		kubeconfig, err := n.kubeconfig(c.tool, c.user, "")
		if err != nil {
			return err
		}
		if _, err := n.start(c.tool, append(c.args, "--kubeconfig", kubeconfig, "--bind-address", "127.0.0.1", "--leader-elect=false",
			"--authentication-kubeconfig", kubeconfig, "--authorization-kubeconfig", kubeconfig)...); err != nil {
			return err
		}
	}
	return nil
}

func (n *Node) caFile() string { return n.path("pki", "ca.crt") }

// certificate issues a certificate and returns its files.
func (n *Node) certificate(name, user, group string, hosts ...string) (cert, key string, err error) {
	pair := n.ca.Component(user, group, hosts...)
	if _, err = n.write(string(n.ca.PEM()), "pki", filepath.Base(n.caFile())); err != nil {
		return "", "", err
	}
	if cert, err = n.write(string(pair.Certificate), "pki", name+".crt"); err != nil {
		return "", "", err
	}
	key, err = n.write(string(pair.Key), "pki", name+".key")
	return cert, key, err
}

// kubeconfig writes one for a user.
func (n *Node) kubeconfig(name, user, group string) (string, error) {
	pair, path := n.ca.Component(user, group), n.path("kubeconfig", name)
	return path, clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{Name: {
			Server: "https://" + net.JoinHostPort(Address, apiPort), CertificateAuthorityData: n.ca.PEM(),
		}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{user: {ClientCertificateData: pair.Certificate, ClientKeyData: pair.Key}},
		Contexts:       map[string]*clientcmdapi.Context{Name: {Cluster: Name, AuthInfo: user}},
		CurrentContext: Name,
	}, path)
}
