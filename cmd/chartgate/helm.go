package main

import (
	"fmt"
	"os"
)

// underHelm reports whether helm runs this process as a plugin. Helm takes flags of its own, such as
// --kube-context, off a plugin's command line and puts them into the environment.
func underHelm() bool { return os.Getenv("HELM_PLUGIN_NAME") != "" }

// helmContext returns the context of helm's --kube-context, or "". Helm itself has put --kubeconfig
// into $KUBECONFIG. Helm's other flags about the cluster are refused: without them, chartgate would
// read the policies of another cluster than helm deploys to, or as another user.
func helmContext() (string, error) {
	if !underHelm() {
		return "", nil
	}
	for _, v := range []struct{ variable, none, flag string }{
		{"HELM_KUBEAPISERVER", "", "--kube-apiserver"},
		{"HELM_KUBETOKEN", "", "--kube-token"},
		{"HELM_KUBEASUSER", "", "--kube-as-user"},
		{"HELM_KUBEASGROUPS", "", "--kube-as-group"},
		{"HELM_KUBECAFILE", "", "--kube-ca-file"},
		{"HELM_KUBETLS_SERVER_NAME", "", "--kube-tls-server-name"},
		{"HELM_KUBEINSECURE_SKIP_TLS_VERIFY", "false", "--kube-insecure-skip-tls-verify"},
	} {
		if value := os.Getenv(v.variable); value != "" && value != v.none {
			return "", fmt.Errorf("chartgate cannot read a cluster by helm's %s (%s): put it into a context of the kubeconfig, and name that by --kube-context", v.flag, v.variable)
		}
	}
	return os.Getenv("HELM_KUBECONTEXT"), nil
}

// localLogins returns the files in which helm, if it runs this process, and docker keep their logins,
// as far as the files exist.
func localLogins() []string {
	var files []string
	if file := os.Getenv("HELM_REGISTRY_CONFIG"); underHelm() && file != "" {
		if _, err := os.Stat(file); err == nil {
			files = append(files, file)
		}
	}
	return append(files, dockerConfig()...)
}
