package main

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chartgate/chartgate/pkg/objects"
)

// clusterFlags choose a cluster, as kubectl's flags of these names do.
type clusterFlags struct {
	kubeconfig string
	context    string
}

func (f *clusterFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.kubeconfig, "kubeconfig", "", "kubeconfig `file`; if empty, as for kubectl, those of $KUBECONFIG, or ~/.kube/config")
	flags.StringVar(&f.context, "context", "", "`name` of the context in the kubeconfig; the current one if empty")
}

// cluster is a cluster that a command reads as the user who runs the command.
type cluster struct {
	// name is for people, as in "context production".
	name string
	// namespace is that of the context.
	namespace string
	config    *rest.Config
	kube      client.Reader
}

// connect finds the cluster. It sends no request yet.
func (f *clusterFlags) connect() (*cluster, error) {
	if ofHelm, err := helmContext(); err != nil {
		return nil, fmt.Errorf("find the cluster: %w", err)
	} else if f.context == "" {
		f.context = ofHelm
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = f.kubeconfig
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: f.context})
	config, err := loader.ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		return nil, errors.New("find the cluster: no kubeconfig names one: give --kubeconfig FILE, or set KUBECONFIG")
	}
	if err != nil {
		return nil, fmt.Errorf("find the cluster: %w", err)
	}
	raw, err := loader.RawConfig()
	if err != nil {
		return nil, fmt.Errorf("find the cluster: %w", err)
	}
	// The API server limits its clients by priority and fairness.
	config.QPS = -1
	config.WarningHandler = rest.NoWarnings{}
	web, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("find the cluster: %w", err)
	}
	mapper, err := objects.NewMapper(config, web)
	if err != nil {
		return nil, fmt.Errorf("find the cluster: %w", err)
	}
	kube, err := client.New(config, client.Options{HTTPClient: web, Mapper: mapper})
	if err != nil {
		return nil, fmt.Errorf("find the cluster: %w", err)
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, fmt.Errorf("find the cluster: %w", err)
	}
	return &cluster{name: clusterName(f.context, raw.CurrentContext), namespace: namespace, config: config, kube: kube}, nil
}

// clusterName names a cluster for people. A pod's own has no context.
func clusterName(given, current string) string {
	switch {
	case given != "":
		return "context " + given
	case current != "":
		return "context " + current
	default:
		return "the cluster of this pod"
	}
}
