package helmchart_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestArguments(t *testing.T) {
	t.Parallel()
	managed := []string{
		"--certificates=Managed", "--webhook-configuration=chartgate", "--webhook-service=chartgate",
		"--certificate-secret=chartgate-certificate",
	}
	files := []string{"--certificates=Files", "--cert-dir=/tmp/certs"}
	arguments := func(certificates, options []string) []string {
		return slices.Concat([]string{"serve", "--mode=Enforce", "--webhook-port=9443"}, certificates, []string{
			"--metrics-bind-address=:8080", "--health-probe-bind-address=:8081", "--namespace=$(POD_NAMESPACE)",
			"--policy-configmap=chartgate-identities", "--leader-elect", "--tuf-cache=/var/cache/chartgate",
		}, options)
	}
	const argo = "system:serviceaccount:argocd:argocd-application-controller"
	users := []string{"--artifact-writers=system:serviceaccount:flux-system:source-controller", "--release-writers=system:serviceaccount:flux-system:helm-controller", "--argo-users=" + argo}
	defaults := []string{users[0], users[1], users[2], "--argo-namespace=argocd", "--missing-source=Defer", "--repackaged-charts=Allow", "--argo-git-sources=Allow", "--max-concurrent=32", "--audit-interval=1h", "--audit-reports=true", "--log-level=info", "--log-format=json"}
	withoutAudit := slices.Clone(defaults)
	withoutAudit[slices.Index(defaults, "--audit-interval=1h")], withoutAudit[slices.Index(defaults, "--audit-reports=true")] = "--audit-interval=0", "--audit-reports=false"
	everything := []string{
		"--trusted-root=/etc/chartgate/trusted_root.json", "--registry-identity=aws,gcp", "--plain-http=localhost:5000", "--plain-http=registry.test",
		users[0], users[1], users[2], "--argo-namespace=argo", "--missing-source=Defer", "--repackaged-charts=Allow", "--argo-git-sources=Deny", "--max-concurrent=8", "--audit-interval=1h", "--audit-reports=true", "--log-level=debug", "--otlp-endpoint=http://collector.monitoring:4318", "--pprof", "--log-format=json", "--key-refresh=1h",
	}
	for name, want := range map[string][]string{
		"the defaults":                             arguments(managed, defaults),
		"everything, with cert-manager":            arguments(files, everything),
		"everything, with an existing certificate": arguments(files, everything),
		"next to nothing":                          arguments(managed, slices.Concat([]string{"--trusted-root=/etc/chartgate/trusted_root.json"}, withoutAudit)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(want, pod(t, installations[name]).Containers[0].Args); diff != "" {
				t.Errorf("arguments (-want +got):\n%s", diff)
			}
		})
	}
}

func TestImage(t *testing.T) {
	t.Parallel()
	for values, want := range map[string]string{
		``:                                     "registry.corp/chartgate:0.1.0",
		`image: {tag: "0.1"}`:                  "registry.corp/chartgate:0.1",
		`image: {repository: r.corp/c}`:        "r.corp/c:0.1.0",
		`image: {repository: "r.corp:5000/c"}`: "r.corp:5000/c:0.1.0",
		`image: {tag: "0.1", digest: "sha256:` + someDigest + `"}`: "registry.corp/chartgate@sha256:" + someDigest,
	} {
		t.Run(values, func(t *testing.T) {
			t.Parallel()
			if got := pod(t, values).Containers[0].Image; got != want {
				t.Errorf("image is %s, want %s", got, want)
			}
		})
	}
}

// TestMounts: the files of the container, by path.
func TestMounts(t *testing.T) {
	t.Parallel()
	certificate := func(secret string) corev1.VolumeSource {
		return corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
			SecretName: secret,
			Items:      []corev1.KeyToPath{{Key: "tls.crt", Path: "tls.crt"}, {Key: "tls.key", Path: "tls.key"}},
		}}
	}
	root := func(configMap string) corev1.VolumeSource {
		return corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: configMap},
			Items:                []corev1.KeyToPath{{Key: "trusted_root.json", Path: "trusted_root.json"}},
		}}
	}
	ca := corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "corp-ca"}}}
	for name, want := range map[string]map[string]corev1.VolumeSource{
		"the defaults": {}, // the serving key is in no file
		"everything, with cert-manager": {
			"/tmp/certs": certificate("chartgate-tls"), "/etc/chartgate": root("chartgate-trusted-root"), "/etc/corp-ca": ca,
		},
		"everything, with an existing certificate": {
			"/tmp/certs": certificate("my-certificate"), "/etc/chartgate": root("chartgate-trusted-root"), "/etc/corp-ca": ca,
		},
		"next to nothing": {
			"/etc/chartgate": root("corp-root"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec, got := pod(t, installations[name]), map[string]corev1.VolumeSource{}
			for _, mount := range spec.Containers[0].VolumeMounts {
				i := slices.IndexFunc(spec.Volumes, func(v corev1.Volume) bool { return v.Name == mount.Name })
				got[mount.MountPath] = spec.Volumes[i].VolumeSource
			}
			for _, path := range []string{"/tmp", "/var/cache/chartgate"} {
				if got[path].EmptyDir == nil {
					t.Errorf("%s is not an emptyDir", path)
				}
				delete(got, path)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("mounts (-want +got):\n%s", diff)
			}
		})
	}
}

// TestPodIsConfined: the API server checks "restricted"; the read-only file system and the token
// are beyond that.
func TestPodIsConfined(t *testing.T) {
	t.Parallel()
	for name, values := range installations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := pod(t, values)
			if diff := cmp.Diff(&corev1.PodSecurityContext{
				RunAsNonRoot:   new(true),
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			}, spec.SecurityContext); diff != "" {
				t.Errorf("pod (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(&corev1.SecurityContext{
				AllowPrivilegeEscalation: new(false),
				ReadOnlyRootFilesystem:   new(true),
				Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			}, spec.Containers[0].SecurityContext); diff != "" {
				t.Errorf("container (-want +got):\n%s", diff)
			}
			if len(spec.Containers) != 1 || spec.HostNetwork || spec.HostPID || spec.HostIPC {
				t.Error("more than one container, or a namespace of the host")
			}
		})
	}
}

// TestSelectors: all selectors of chartgate's pods match them, and the Services lead to existing
// ports.
func TestSelectors(t *testing.T) {
	t.Parallel()
	rendered := render(t, installations["everything, with cert-manager"])
	template := get[appsv1.Deployment](t, rendered, "Deployment/chartgate").Spec.Template
	want := map[string]string{"app.kubernetes.io/name": "chartgate", "app.kubernetes.io/instance": "chartgate"}
	withPodLabels := maps.Clone(want)
	withPodLabels["team"] = "platform"
	monitored := maps.Clone(want)
	monitored["app.kubernetes.io/component"] = "metrics"
	metrics := get[corev1.Service](t, rendered, "Service/chartgate-metrics")
	monitor, _, _ := unstructured.NestedStringMap(rendered["ServiceMonitor/chartgate"].Object, "spec", "selector", "matchLabels")
	for name, tc := range map[string]struct{ want, got map[string]string }{
		"pods":                {withPodLabels, template.Labels},
		"Deployment":          {want, get[appsv1.Deployment](t, rendered, "Deployment/chartgate").Spec.Selector.MatchLabels},
		"Service":             {want, get[corev1.Service](t, rendered, "Service/chartgate").Spec.Selector},
		"metrics Service":     {want, metrics.Spec.Selector},
		"PodDisruptionBudget": {want, get[policyv1.PodDisruptionBudget](t, rendered, "PodDisruptionBudget/chartgate").Spec.Selector.MatchLabels},
		"NetworkPolicy":       {want, get[networkingv1.NetworkPolicy](t, rendered, "NetworkPolicy/chartgate").Spec.PodSelector.MatchLabels},
		"ServiceMonitor":      {monitored, monitor},
		"spread":              {want, pod(t, ``).TopologySpreadConstraints[0].LabelSelector.MatchLabels},
	} {
		if diff := cmp.Diff(tc.want, tc.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for key, value := range monitored {
		if metrics.Labels[key] != value {
			t.Errorf("the ServiceMonitor does not find the metrics Service by %s", key)
		}
	}
	ports := map[string]int32{}
	for _, port := range template.Spec.Containers[0].Ports {
		ports[port.Name] = port.ContainerPort
	}
	for service, want := range map[string][2]int32{"Service/chartgate": {443, 9443}, "Service/chartgate-metrics": {8080, 8080}} {
		port := get[corev1.Service](t, rendered, service).Spec.Ports[0]
		if got := [2]int32{port.Port, ports[port.TargetPort.StrVal]}; got != want {
			t.Errorf("%s leads from and to %v, want %v", service, got, want)
		}
	}
}

// TestPodKeepsServing: chartgate stays available when nodes drain, pods are replaced and memory
// runs short.
func TestPodKeepsServing(t *testing.T) {
	t.Parallel()
	deployment := get[appsv1.Deployment](t, render(t, ``), "Deployment/chartgate")
	spec := deployment.Spec.Template.Spec
	container := spec.Containers[0]
	got := map[string]any{
		"replicas":     *deployment.Spec.Replicas,
		"unavailable":  deployment.Spec.Strategy.RollingUpdate.MaxUnavailable.String(),
		"grace period": *spec.TerminationGracePeriodSeconds,
		"priority":     spec.PriorityClassName,
		"liveness":     container.LivenessProbe.HTTPGet.Path,
		"readiness":    container.ReadinessProbe.HTTPGet.Path,
		"spread over":  []string{spec.TopologySpreadConstraints[0].TopologyKey, spec.TopologySpreadConstraints[1].TopologyKey},
		"cpu":          container.Resources.Requests.Cpu().String() + ".." + container.Resources.Limits.Cpu().String(),
		"memory":       container.Resources.Requests.Memory().String() + ".." + container.Resources.Limits.Memory().String(),
		"GOMEMLIMIT":   environment(container)["GOMEMLIMIT"],
	}
	want := map[string]any{
		"replicas": int32(2), "unavailable": "0", "grace period": int64(40), "priority": "system-cluster-critical",
		"liveness": "/healthz", "readiness": "/readyz",
		"spread over": []string{"kubernetes.io/hostname", "topology.kubernetes.io/zone"},
		"cpu":         "50m..0", "memory": "128Mi..512Mi", "GOMEMLIMIT": "$(MEMORY_LIMIT_MIB)000000",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, ok := environment(pod(t, installations["next to nothing"]).Containers[0])["GOMEMLIMIT"]; ok {
		t.Error("GOMEMLIMIT is set without a memory limit: it would be the whole node's memory")
	}
}

func environment(container corev1.Container) map[string]string {
	result := map[string]string{}
	for _, variable := range container.Env {
		result[variable.Name] = variable.Value
	}
	return result
}
