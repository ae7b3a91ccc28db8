package helmchart_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// registryArguments are the flags about mirrors and CAs.
func registryArguments(t *testing.T, values string) []string {
	t.Helper()
	var found []string
	for _, arg := range pod(t, values).Containers[0].Args {
		if strings.HasPrefix(arg, "--registry-mirror") || strings.HasPrefix(arg, "--registry-ca") || strings.HasPrefix(arg, "--login-hosts") {
			found = append(found, arg)
		}
	}
	return found
}

func TestMirrorsAndCAs(t *testing.T) {
	t.Parallel()
	const ca = "--registry-ca=/etc/chartgate-registry-ca/ca.crt"
	bundle := "registry: {caBundle: \"" + strings.ReplaceAll(someCertificate, "\n", `\n`) + "\"}"
	for values, want := range map[string]struct {
		arguments []string
		configMap string // that holds the CAs
	}{
		``: {},
		`registry: {mirrors: {ghcr.io/acme: registry.corp/acme, ghcr.io: "registry.corp:5000"}}`: {
			arguments: []string{"--registry-mirror=ghcr.io=registry.corp:5000", "--registry-mirror=ghcr.io/acme=registry.corp/acme"}},
		`registry: {loginHosts: [ghcr.io, "registry.corp:5000"]}`: {arguments: []string{"--login-hosts=ghcr.io", "--login-hosts=registry.corp:5000"}},
		`registry: {existingCAConfigMap: corp-ca}`:                {arguments: []string{ca}, configMap: "corp-ca"},
		bundle: {arguments: []string{ca}, configMap: "chartgate-registry-ca"},
	} {
		t.Run(values, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(want.arguments, registryArguments(t, values)); diff != "" {
				t.Errorf("arguments (-want +got):\n%s", diff)
			}
			got := ""
			for _, volume := range pod(t, values).Volumes {
				if volume.Name == "registry-ca" {
					got = volume.ConfigMap.Name
				}
			}
			if got != want.configMap {
				t.Errorf("the CAs are of %q, want %q", got, want.configMap)
			}
		})
	}
	objects := render(t, bundle)
	if got := get[corev1.ConfigMap](t, objects, "ConfigMap/chartgate-registry-ca").Data["ca.crt"]; got != someCertificate {
		t.Errorf("the CAs are %q", got)
	}
	if len(get[appsv1.Deployment](t, objects, "Deployment/chartgate").Spec.Template.Annotations["chartgate.dev/registry-ca"]) != 64 {
		t.Error("new CAs do not restart the pods")
	}
}

func TestProxy(t *testing.T) {
	t.Parallel()
	for values, want := range map[string][]string{
		``: nil,
		`registry: {proxy: {url: "http://proxy.corp:3128"}}`:                         {"HTTPS_PROXY=http://proxy.corp:3128", "NO_PROXY=$(KUBERNETES_SERVICE_HOST),.svc"},
		`registry: {proxy: {url: "http://proxy.corp", noProxy: ".corp,10.0.0.0/8"}}`: {"HTTPS_PROXY=http://proxy.corp", "NO_PROXY=$(KUBERNETES_SERVICE_HOST),.svc,.corp,10.0.0.0/8"},
	} {
		t.Run(values, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, variable := range pod(t, values).Containers[0].Env {
				if strings.HasSuffix(variable.Name, "_PROXY") {
					got = append(got, variable.Name+"="+variable.Value)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("environment (-want +got):\n%s", diff)
			}
		})
	}
}

// TestPullSecrets: each is mounted, and used in the order of the list.
func TestPullSecrets(t *testing.T) {
	t.Parallel()
	p := pod(t, `registryConfig: {existingSecrets: [first, second]}`)
	var arguments, mounts, secrets []string
	for _, arg := range p.Containers[0].Args {
		if strings.HasPrefix(arg, "--registry-config=") {
			arguments = append(arguments, arg)
		}
	}
	for _, mount := range p.Containers[0].VolumeMounts {
		if strings.HasPrefix(mount.Name, "registry-config-") {
			mounts = append(mounts, mount.Name+" at "+mount.MountPath)
		}
	}
	for _, volume := range p.Volumes {
		if strings.HasPrefix(volume.Name, "registry-config-") {
			secrets = append(secrets, volume.Name+": "+volume.Secret.SecretName+" "+volume.Secret.Items[0].Key+" as "+volume.Secret.Items[0].Path)
		}
	}
	want := [][]string{
		{"--registry-config=/etc/chartgate-registry/0/config.json", "--registry-config=/etc/chartgate-registry/1/config.json"},
		{"registry-config-0 at /etc/chartgate-registry/0", "registry-config-1 at /etc/chartgate-registry/1"},
		{"registry-config-0: first .dockerconfigjson as config.json", "registry-config-1: second .dockerconfigjson as config.json"},
	}
	if diff := cmp.Diff(want, [][]string{arguments, mounts, secrets}); diff != "" {
		t.Error(diff)
	}
}
