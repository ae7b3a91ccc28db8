package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// Mistakes in the flags are told before anything is served.
func TestServeFlags(t *testing.T) {
	t.Setenv("POD_NAMESPACE", "")
	s := theShop(t)
	dir := s.files(t, map[string]string{"kubeconfig": "apiVersion: v1\nkind: Config\n", "bad": "{"})
	for _, c := range []struct {
		sentence string
		args     []string
		says     string
	}{
		{"no namespace", nil, "--namespace or $POD_NAMESPACE must say where chartgate runs"},
		{"no place for any write", []string{"--namespace=x", "--max-concurrent=0"}, "--max-concurrent must be at least 1"},
		{"keys that are read without a pause", []string{"--namespace=x", "--key-refresh=1ms"}, "--key-refresh must be at least 1s"},
		{"an unknown log level", []string{"--namespace=x", "--log-level=trace"}, `--log-level is "trace", not debug, info or error`},
		{"an unknown log format", []string{"--namespace=x", "--log-format=xml"}, `--log-format is "xml", not json or text`},
		{"a kubeconfig that does not exist", []string{"--namespace=x", "--kubeconfig", dir + "/absent"}, "find the API server: "},
		{"a kubeconfig that is none", []string{"--namespace=x", "--kubeconfig", dir + "/bad"}, "find the API server: "},
		{"an argument", []string{"--namespace=x", "now"}, "unknown command"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			got := s.command(t, "", append([]string{"serve"}, c.args...)...)
			if got.Code != exitNotAsked || !strings.Contains(got.Error, c.says) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// The defaults are what an admin gets who says nothing: they must be the strict ones.
func TestServeDefaults(t *testing.T) {
	t.Setenv("POD_NAMESPACE", "chartgate-system")
	var f serveFlags
	f.register(pflag.NewFlagSet("serve", pflag.ContinueOnError))
	got := []any{f.namespace, f.missingSource, f.argoGitSources, f.plainHTTP, f.trustedRoot, f.artifactWriters, f.argoUsers, f.certificates, f.configMap}
	want := []any{
		"chartgate-system", "Defer", "Allow", []string(nil), "", []string{"system:serviceaccount:flux-system:source-controller"},
		[]string{"system:serviceaccount:argocd:argocd-application-controller"}, "Files", "chartgate-identities",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
