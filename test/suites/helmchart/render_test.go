package helmchart_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func TestLint(t *testing.T) {
	t.Parallel()
	for name, values := range installations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if stdout, stderr, err := run(values, helmBinary(t), "lint", "--strict", "--values", "-", chartDir); err != nil {
				t.Errorf("%v\n%s%s", err, stdout, stderr)
			}
		})
	}
}

func TestObjects(t *testing.T) {
	t.Parallel()
	common := []string{
		"ClusterRole/chartgate", "ClusterRoleBinding/chartgate", "Role/chartgate", "RoleBinding/chartgate",
		"Deployment/chartgate", "Service/chartgate", "ValidatingWebhookConfiguration/chartgate",
	}
	crds := []string{
		"CustomResourceDefinition/chartpolicies.chartgate.dev", "CustomResourceDefinition/trustedidentities.chartgate.dev",
		"CustomResourceDefinition/trustroots.chartgate.dev",
	}
	// Rights to read Secrets: everywhere, or in listed namespaces and Argo CD's.
	everywhere := []string{"ClusterRole/chartgate-secrets", "ClusterRoleBinding/chartgate-secrets"}
	full := slices.Concat(common, crds, []string{
		"ClusterRole/chartgate-secrets", "RoleBinding/chartgate-secrets", "Role/chartgate-argocd", "RoleBinding/chartgate-argocd",
		"ConfigMap/chartgate-identities", "ConfigMap/chartgate-trusted-root", "NetworkPolicy/chartgate",
		"PodDisruptionBudget/chartgate", "Service/chartgate-metrics", "ServiceAccount/other", "ServiceMonitor/chartgate",
	})
	for name, want := range map[string][]string{
		"the defaults": slices.Concat(common, crds, everywhere, []string{
			"ConfigMap/chartgate-identities", "PodDisruptionBudget/chartgate", "Secret/chartgate-certificate", "ServiceAccount/chartgate",
		}),
		"everything, with cert-manager": slices.Concat(full, []string{
			"Certificate/chartgate", "Certificate/chartgate-ca", "Issuer/chartgate-ca", "Issuer/chartgate-self-signed",
		}),
		"everything, with an existing certificate": full,
		"cert-manager with an issuer": slices.Concat(common, crds, everywhere, []string{
			"Certificate/chartgate", "ConfigMap/chartgate-identities", "PodDisruptionBudget/chartgate", "ServiceAccount/chartgate",
		}),
		"next to nothing": slices.Concat(common, []string{"Secret/chartgate-certificate"}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slices.Sort(want)
			rendered := render(t, installations[name])
			if diff := cmp.Diff(want, slices.Sorted(maps.Keys(rendered))); diff != "" {
				t.Errorf("objects (-want +got):\n%s", diff)
			}
			for key, object := range rendered {
				want, others := map[string]string{
					"RoleBinding/chartgate-secrets": "apps", "Role/chartgate-argocd": "argo", "RoleBinding/chartgate-argocd": "argo",
				}[key]
				if !others {
					want = namespace
				}
				if ns := object.GetNamespace(); ns != "" && ns != want {
					t.Errorf("%s is in namespace %s", key, ns)
				}
			}
		})
	}
}

func TestWebhooks(t *testing.T) {
	t.Parallel()
	for name, values := range installations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := get[admissionv1.ValidatingWebhookConfiguration](t, render(t, values), "ValidatingWebhookConfiguration/chartgate")
			timeout, caBundle := int32(10), []byte(nil)
			if strings.HasPrefix(name, "everything") {
				timeout = 30
			}
			if name == "everything, with an existing certificate" {
				caBundle = []byte(someCertificate + "\n")
			}
			// Git sources that are denied are asked about like charts.
			ofApplications := []string{"source-changes"}
			if !strings.Contains(values, "argoGitSources: Deny") {
				ofApplications = append(ofApplications, "names-a-chart")
			}
			want := wantWebhooks(timeout, caBundle, ofApplications)
			if diff := cmp.Diff(want, got.Webhooks, cmpopts.IgnoreFields(admissionv1.MatchCondition{}, "Expression")); diff != "" {
				t.Errorf("webhooks (-want +got):\n%s", diff)
			}
			var wantAnnotations map[string]string
			if strings.Contains(name, "cert-manager") {
				wantAnnotations = map[string]string{"cert-manager.io/inject-ca-from": namespace + "/chartgate"}
			}
			if diff := cmp.Diff(wantAnnotations, got.Annotations); diff != "" {
				t.Errorf("annotations (-want +got):\n%s", diff)
			}
		})
	}
}

func named(conditions []string) []admissionv1.MatchCondition {
	var all []admissionv1.MatchCondition
	for _, name := range conditions {
		all = append(all, admissionv1.MatchCondition{Name: name})
	}
	return all
}

// wantWebhooks is the whole of both webhooks: a field that is not here, a selector above all, must not be there.
func wantWebhooks(timeout int32, caBundle []byte, ofApplications []string) []admissionv1.ValidatingWebhook {
	client := func(path string) admissionv1.WebhookClientConfig {
		return admissionv1.WebhookClientConfig{
			CABundle: caBundle,
			Service:  &admissionv1.ServiceReference{Namespace: namespace, Name: "chartgate", Path: &path, Port: new(int32(443))},
		}
	}
	rule := func(scope admissionv1.ScopeType, group, version string, resources ...string) admissionv1.RuleWithOperations {
		return admissionv1.RuleWithOperations{
			Operations: []admissionv1.OperationType{admissionv1.Create, admissionv1.Update},
			Rule:       admissionv1.Rule{APIGroups: []string{group}, APIVersions: []string{version}, Resources: resources, Scope: &scope},
		}
	}
	// The text of the conditions is compared nowhere: TestMatchConditions of test/suites/attacks asks a real API server what they let through.
	gate := func(name string, conditions []string, rules ...admissionv1.RuleWithOperations) admissionv1.ValidatingWebhook {
		return admissionv1.ValidatingWebhook{
			Name:                    name,
			ClientConfig:            client("/validate-charts"),
			Rules:                   rules,
			MatchConditions:         named(conditions),
			FailurePolicy:           new(admissionv1.Fail),
			MatchPolicy:             new(admissionv1.Equivalent),
			SideEffects:             new(admissionv1.SideEffectClassNoneOnDryRun),
			TimeoutSeconds:          &timeout,
			AdmissionReviewVersions: []string{"v1"},
		}
	}
	const flux, helm, argo = "source.toolkit.fluxcd.io", "helm.toolkit.fluxcd.io", "argoproj.io"
	return []admissionv1.ValidatingWebhook{
		gate("charts.chartgate.dev", []string{"spec-changes"},
			rule(admissionv1.NamespacedScope, helm, "*", "helmreleases"),
			rule(admissionv1.NamespacedScope, flux, "*", "helmrepositories", "helmcharts", "ocirepositories")),
		gate("artifacts.chartgate.dev", []string{"artifact-changes"},
			rule(admissionv1.NamespacedScope, flux, "*", "helmcharts/status", "ocirepositories/status")),
		gate("releases.chartgate.dev", []string{"chart-changes"},
			rule(admissionv1.NamespacedScope, helm, "*", "helmreleases/status")),
		gate("applications.chartgate.dev", ofApplications,
			rule(admissionv1.NamespacedScope, argo, "*", "applications", "applications/status")),
		{
			Name:         "policies.chartgate.dev",
			ClientConfig: client("/validate-policies"),
			Rules: []admissionv1.RuleWithOperations{
				rule(admissionv1.ClusterScope, "chartgate.dev", "*", "trustedidentities", "chartpolicies", "trustroots"),
				rule(admissionv1.NamespacedScope, "", "v1", "configmaps"),
			},
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": namespace}},
			MatchConditions: []admissionv1.MatchCondition{{
				Name:       "of-configmaps-only-the-identities",
				Expression: `request.resource.group != "" || request.name == "chartgate-identities"`,
			}},
			FailurePolicy:           new(admissionv1.Ignore),
			MatchPolicy:             new(admissionv1.Equivalent),
			SideEffects:             new(admissionv1.SideEffectClassNone),
			TimeoutSeconds:          new(int32(5)),
			AdmissionReviewVersions: []string{"v1"},
		}}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	managed := []string{
		"--certificates=Managed", "--webhook-configuration=chartgate", "--webhook-service=chartgate",
		"--certificate-secret=chartgate-certificate",
	}
	arguments := func(certificates, options []string) []string {
		return slices.Concat([]string{"serve", "--webhook-port=9443", "--cert-dir=/tmp/certs"}, certificates, []string{
			"--metrics-bind-address=:8080", "--health-probe-bind-address=:8081", "--namespace=$(POD_NAMESPACE)",
			"--policy-configmap=chartgate-identities", "--leader-elect", "--tuf-cache=/var/cache/chartgate",
		}, options)
	}
	const argo = "system:serviceaccount:argocd:argocd-application-controller"
	users := []string{"--artifact-writers=system:serviceaccount:flux-system:source-controller", "--release-writers=system:serviceaccount:flux-system:helm-controller", "--argo-users=" + argo}
	defaults := []string{users[0], users[1], users[2], "--argo-namespace=argocd", "--missing-source=Defer", "--repackaged-charts=Allow", "--argo-git-sources=Allow", "--max-concurrent=32", "--log-level=info", "--log-format=json"}
	everything := []string{
		"--trusted-root=/etc/chartgate/trusted_root.json", "--registry-identity=aws,gcp", "--plain-http=localhost:5000", "--plain-http=registry.test",
		users[0], users[1], users[2], "--argo-namespace=argo", "--missing-source=Defer", "--repackaged-charts=Allow", "--argo-git-sources=Deny", "--max-concurrent=8", "--log-level=debug", "--log-format=json", "--missing-source=Deny",
	}
	for name, want := range map[string][]string{
		"the defaults":                             arguments(managed, defaults),
		"everything, with cert-manager":            arguments([]string{"--certificates=Files"}, everything),
		"everything, with an existing certificate": arguments([]string{"--certificates=Files"}, everything),
		"next to nothing":                          arguments(managed, slices.Concat([]string{"--trusted-root=/etc/chartgate/trusted_root.json"}, defaults)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(want, pod(t, installations[name]).Containers[0].Args); diff != "" {
				t.Errorf("arguments (-want +got):\n%s", diff)
			}
		})
	}
}

func pod(t *testing.T, values string) corev1.PodSpec {
	t.Helper()
	return get[appsv1.Deployment](t, render(t, values), "Deployment/chartgate").Spec.Template.Spec
}

func TestImage(t *testing.T) {
	t.Parallel()
	for values, want := range map[string]string{
		``:                              "ghcr.io/chartgate/chartgate:0.1.0",
		`image: {tag: "0.1"}`:           "ghcr.io/chartgate/chartgate:0.1",
		`image: {repository: r.corp/c}`: "r.corp/c:0.1.0",
		`image: {tag: "0.1", digest: "sha256:` + someDigest + `"}`: "ghcr.io/chartgate/chartgate@sha256:" + someDigest,
	} {
		t.Run(values, func(t *testing.T) {
			t.Parallel()
			if got := pod(t, values).Containers[0].Image; got != want {
				t.Errorf("image is %s, want %s", got, want)
			}
		})
	}
}

// TestMounts: what lies in the container's file system, by path.
func TestMounts(t *testing.T) {
	t.Parallel()
	certificate := func(secret string, optional *bool) corev1.VolumeSource {
		return corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
			SecretName: secret, Optional: optional,
			Items: []corev1.KeyToPath{{Key: "tls.crt", Path: "tls.crt"}, {Key: "tls.key", Path: "tls.key"}},
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
		"the defaults": {"/tmp/certs": certificate("chartgate-certificate", new(true))},
		"everything, with cert-manager": {
			"/tmp/certs": certificate("chartgate-tls", nil), "/etc/chartgate": root("chartgate-trusted-root"), "/etc/corp-ca": ca,
		},
		"everything, with an existing certificate": {
			"/tmp/certs": certificate("my-certificate", nil), "/etc/chartgate": root("chartgate-trusted-root"), "/etc/corp-ca": ca,
		},
		"next to nothing": {
			"/tmp/certs": certificate("chartgate-certificate", new(true)), "/etc/chartgate": root("corp-root"),
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

// TestPodIsConfined: the API server knows of "restricted"; the read-only file system and the token are the chart's own.
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

// TestSelectors: everything that selects chartgate's pods does so, and the Services lead to the ports that they name.
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

// TestPodKeepsServing: what keeps chartgate there when nodes drain, pods roll and memory runs short.
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

func TestIdentities(t *testing.T) {
	t.Parallel()
	for _, values := range []string{``, everything} {
		var want, got struct {
			Identities any `json:"identities"`
		}
		if err := yaml.Unmarshal([]byte("identities: []\n"), &want); err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal([]byte(values), &want); err != nil {
			t.Fatal(err)
		}
		text := get[corev1.ConfigMap](t, render(t, values), "ConfigMap/chartgate-identities").Data["identities.yaml"]
		if err := yaml.UnmarshalStrict([]byte(text), &got.Identities); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("identities.yaml (-want +got):\n%s", diff)
		}
	}
}

func TestTrustedRootIsCopiedVerbatim(t *testing.T) {
	t.Parallel()
	root := "{\n  \"a\": \"{{ .Values }} # \\n\"\n}\n"
	values, err := yaml.Marshal(map[string]any{"trustedRoot": map[string]any{"json": root}})
	if err != nil {
		t.Fatal(err)
	}
	rendered := render(t, string(values))
	if diff := cmp.Diff(root, get[corev1.ConfigMap](t, rendered, "ConfigMap/chartgate-trusted-root").Data["trusted_root.json"]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	var want struct{ cluster, own []rbacv1.PolicyRule }
	for _, role := range parse(t, read(t, chartDir+"/files/role.yaml")) {
		switch role.GetKind() {
		case "ClusterRole":
			want.cluster = get[rbacv1.ClusterRole](t, manifests{"role": role}, "role").Rules
		case "Role":
			want.own = get[rbacv1.Role](t, manifests{"role": role}, "role").Rules
		}
	}
	forCertificates := func(rule rbacv1.PolicyRule) bool {
		writesSecret := slices.Contains(rule.Resources, "secrets") && len(rule.ResourceNames) > 0
		return writesSecret || slices.Contains(rule.Resources, "validatingwebhookconfigurations")
	}
	for name, values := range installations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster, own := slices.Clone(want.cluster), slices.Clone(want.own)
			if strings.Contains(name, "cert") {
				cluster, own = slices.DeleteFunc(cluster, forCertificates), slices.DeleteFunc(own, forCertificates)
			}
			rendered := render(t, values)
			if diff := cmp.Diff(cluster, get[rbacv1.ClusterRole](t, rendered, "ClusterRole/chartgate").Rules); diff != "" {
				t.Errorf("ClusterRole (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(own, get[rbacv1.Role](t, rendered, "Role/chartgate").Rules); diff != "" {
				t.Errorf("Role (-want +got):\n%s", diff)
			}
			serviceAccount := pod(t, values).ServiceAccountName
			subjects := []rbacv1.Subject{{Kind: "ServiceAccount", Name: serviceAccount, Namespace: namespace}}
			if diff := cmp.Diff(subjects, get[rbacv1.ClusterRoleBinding](t, rendered, "ClusterRoleBinding/chartgate").Subjects); diff != "" {
				t.Errorf("ClusterRoleBinding (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(subjects, get[rbacv1.RoleBinding](t, rendered, "RoleBinding/chartgate").Subjects); diff != "" {
				t.Errorf("RoleBinding (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRightsToReadSecrets: by name everywhere or in the namespaces that are listed, and by list in Argo CD's alone.
func TestRightsToReadSecrets(t *testing.T) {
	t.Parallel()
	byName := []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets", "serviceaccounts"}, Verbs: []string{"get"}}}
	argo := []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"list"}},
		{APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: []string{"argocd-tls-certs-cm"}, Verbs: []string{"get"}},
	}
	const inArgo = `argoNamespace: argocd`
	for values, want := range map[string]struct {
		everywhere bool
		namespaces []string
		argo       bool
	}{
		``:     {everywhere: true},
		inArgo: {everywhere: true, argo: true},
		`{secrets: {access: Namespaces, namespaces: [apps, team-b]}}`:         {namespaces: []string{"apps", "team-b"}},
		`{secrets: {access: Namespaces, namespaces: [apps]}, ` + inArgo + `}`: {namespaces: []string{"apps"}, argo: true},
		`{secrets: {access: None}, ` + inArgo + `}`:                           {},
	} {
		t.Run(values, func(t *testing.T) {
			t.Parallel()
			var everywhere, lists bool
			var namespaces []string
			for _, object := range parseAll(t, template(t, values)) {
				one := manifests{"it": object}
				switch object.GetKind() + "/" + object.GetName() {
				case "ClusterRole/chartgate-secrets":
					if diff := cmp.Diff(byName, get[rbacv1.ClusterRole](t, one, "it").Rules); diff != "" {
						t.Errorf("by name (-want +got):\n%s", diff)
					}
				case "Role/chartgate-argocd":
					if diff := cmp.Diff(argo, get[rbacv1.Role](t, one, "it").Rules); diff != "" || object.GetNamespace() != "argocd" {
						t.Errorf("in %s (-want +got):\n%s", object.GetNamespace(), diff)
					}
				case "ClusterRoleBinding/chartgate-secrets":
					everywhere = true
				case "RoleBinding/chartgate-secrets":
					namespaces = append(namespaces, object.GetNamespace())
				case "RoleBinding/chartgate-argocd":
					lists = true
				}
			}
			if everywhere != want.everywhere || lists != want.argo || !slices.Equal(namespaces, want.namespaces) {
				t.Errorf("everywhere %t, in %v, in Argo CD's %t; want %+v", everywhere, namespaces, lists, want)
			}
		})
	}
}

// TestReach: by its main role, chartgate reads no Secret cluster-wide and writes nothing but its own resources' status and its own
// webhook configuration. Its Events go where the denied objects are.
func TestReach(t *testing.T) {
	t.Parallel()
	for _, rule := range get[rbacv1.ClusterRole](t, render(t, ``), "ClusterRole/chartgate").Rules {
		if slices.Contains(slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs), "*") {
			t.Errorf("a wildcard in %v", rule)
		}
		if slices.Contains(rule.APIGroups, "") {
			t.Errorf("a rule for the core group in %v", rule)
		}
		writes := slices.ContainsFunc(rule.Verbs, func(verb string) bool { return !slices.Contains([]string{"get", "list", "watch"}, verb) })
		events := slices.Equal(rule.Resources, []string{"events"}) && slices.Equal(rule.APIGroups, []string{"events.k8s.io"})
		ownStatus := slices.Equal(rule.Resources, []string{"chartpolicies/status", "trustedidentities/status", "trustroots/status"})
		if writes && !ownStatus && !events && !slices.Equal(rule.ResourceNames, []string{"chartgate"}) {
			t.Errorf("may write more than its own: %v", rule)
		}
	}
}

// TestGeneratedCopies: the chart's copies are what the generators wrote, and the rendered definitions only gain "keep".
func TestGeneratedCopies(t *testing.T) {
	t.Parallel()
	originals, err := filepath.Glob("../../../config/crd/*.yaml")
	if err != nil || len(originals) == 0 {
		t.Fatalf("config/crd: %v, %v", originals, err)
	}
	copies, _ := filepath.Glob(chartDir + "/files/crds/*")
	if len(copies) != len(originals) {
		t.Errorf("%v are not the copies of %v: run `make generate`", copies, originals)
	}
	rendered := render(t, ``)
	for _, original := range originals {
		text := read(t, original)
		if diff := cmp.Diff(text, read(t, chartDir+"/files/crds/"+filepath.Base(original))); diff != "" {
			t.Errorf("%s: run `make generate` (-original +copy):\n%s", original, diff)
		}
		for key, crd := range parse(t, text) {
			annotations := crd.GetAnnotations()
			annotations["helm.sh/resource-policy"] = "keep"
			crd.SetAnnotations(annotations)
			if diff := cmp.Diff(crd, rendered[key]); diff != "" {
				t.Errorf("%s (-want +got):\n%s", key, diff)
			}
		}
	}
	if diff := cmp.Diff(read(t, "../../../config/rbac/role.yaml"), read(t, chartDir+"/files/role.yaml")); diff != "" {
		t.Errorf("role.yaml: run `make generate` (-original +copy):\n%s", diff)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
