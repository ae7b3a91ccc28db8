{{/*
What the notes warn of: values that can work, but not as the cluster is now. All of it is looked up, so
"helm template" warns of less.
*/}}

{{- define "chartgate.warnings" -}}
{{- include "chartgate.warn.users" . }}
{{- include "chartgate.warn.objects" . }}
{{- include "chartgate.warn.issuers" . }}
{{- if eq (int .Values.replicas) 1 }}
- replicas is 1: while that pod is replaced, every write that changes a chart is denied. Set 2.
{{- else if or (eq (toString .Values.podDisruptionBudget.maxUnavailable) "100%") (and (not (hasSuffix "%" (toString .Values.podDisruptionBudget.maxUnavailable))) (ge (int .Values.podDisruptionBudget.maxUnavailable) (int .Values.replicas))) }}
- podDisruptionBudget.maxUnavailable lets all pods be evicted at once: set it below replicas.
{{- end }}
{{- $memory := include "chartgate.amount" (dig "limits" "memory" "" .Values.resources) }}
{{- if and $memory (lt (include "chartgate.mebibytes" $memory | int) 384) }}
{{ printf "- resources.limits.memory is %s: below 384Mi, large HelmReleases can run a pod out of memory." $memory }}
{{- end }}
{{- $variables := list }}
{{- range .Values.env }}
{{- $variables = append $variables .name }}
{{- end }}
{{- if and (has "HTTPS_PROXY" $variables) (not (has "NO_PROXY" $variables)) }}
- env sets HTTPS_PROXY without NO_PROXY: chartgate would reach the API server through the proxy. Set registry.proxy instead, or NO_PROXY with the address that "kubectl get service kubernetes" prints.
{{- end }}
{{- if or (has .Release.Namespace (list "default" "kube-public" "flux-system" "argocd")) }}
{{ printf "- the release is in the namespace %s, which others use: anyone who can write there can change the identities or read the serving key. Install it in a namespace of its own." .Release.Namespace }}
{{- end }}
{{- end }}

{{/* Issuers that pkg/policy warns of, too. Those of Auth0 and of Entra ID version 1 do end in a slash. */}}
{{- define "chartgate.warn.issuers" -}}
{{- range $i, $identity := .Values.identities }}
{{- with get ($identity.keyless | default dict) "issuer" }}
{{- if and (hasSuffix "/" .) (not (regexMatch "^https://([^/]+[.]auth0[.]com|sts[.]windows[.]net)/" .)) }}
{{ printf "- identities[%d].keyless.issuer is %q: most issuers have no / at the end, and certificates name them exactly. Write %s, unless the issuer's own document has the /." $i . (trimSuffix "/" .) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Users of Flux and Argo CD. */}}
{{- define "chartgate.warn.users" -}}
{{- range $value, $crd := dict "artifactWriters" "helmcharts.source.toolkit.fluxcd.io" "releaseWriters" "helmreleases.helm.toolkit.fluxcd.io" "argoUsers" "applications.argoproj.io" }}
{{- if lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" $crd }}
{{- range $user := get $.Values $value }}
{{- $parts := splitList ":" $user }}
{{- if not (lookup "v1" "ServiceAccount" (index $parts 2) (index $parts 3)) }}
{{ printf "- %s names a service account that does not exist: %s. Find the right one with \"kubectl get serviceaccounts -A | grep -E 'source-controller|helm-controller|argocd'\"." $value $user }}
{{- if eq $value "releaseWriters" }} With a wrong one, no HelmRelease is installed or upgraded.{{ end }}
{{- if eq $value "artifactWriters" }} With a wrong one, Flux pulls no chart.{{ end }}
{{- end }}
{{- else }}
{{ printf "- %s is empty, and the cluster has %s: name the service account of the controller that writes them." $value $crd }}
{{- end }}
{{- end }}
{{- end }}
{{- if and (ne .Values.secrets.access "None") (not .Values.argoNamespace) (lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" "applications.argoproj.io") (not (lookup "v1" "Namespace" "" "argocd")) }}
- the cluster has Argo CD's Applications, and no namespace argocd: set argoNamespace to where Argo CD keeps its repository Secrets, or private charts of Argo CD are denied.
{{- end }}
{{- end }}

{{/* Objects that the pods wait for. */}}
{{- define "chartgate.warn.objects" -}}
{{- $wanted := list
  (list "ConfigMap" .Values.trustedRoot.existingConfigMap "trusted_root.json" "trustedRoot.existingConfigMap")
  (list "ConfigMap" .Values.registry.existingCAConfigMap "ca.crt" "registry.existingCAConfigMap")
  (list "ConfigMap" .Values.webhook.clientCA.existingConfigMap .Values.webhook.clientCA.key "webhook.clientCA.existingConfigMap")
  (list "Secret" .Values.certificates.existingSecret "tls.crt" "certificates.existingSecret") }}
{{- range $i, $secret := .Values.registryConfig.existingSecrets }}
{{- $wanted = append $wanted (list "Secret" $secret ".dockerconfigjson" (printf "registryConfig.existingSecrets[%d]" $i)) }}
{{- end }}
{{- range $i, $secret := .Values.imagePullSecrets }}
{{- $wanted = append $wanted (list "Secret" $secret.name ".dockerconfigjson" (printf "imagePullSecrets[%d]" $i)) }}
{{- end }}
{{- if include "chartgate.live" . }}
{{- range $wanted }}
{{- $kind := index . 0 }}
{{- $name := index . 1 }}
{{- $key := index . 2 }}
{{- $value := index . 3 }}
{{- if $name }}
{{- $object := lookup "v1" $kind $.Release.Namespace $name }}
{{- if not $object }}
{{ printf "- %s names the %s %s, which does not exist in %s: pods do not start without it." $value $kind $name $.Release.Namespace }}
{{- else if not (hasKey ($object.data | default dict) $key) }}
{{ printf "- %s names the %s %s, which has no key %s: pods do not start without it." $value $kind $name $key }}
{{- end }}
{{- end }}
{{- end }}
{{- if and (not .Values.serviceAccount.create) (not (lookup "v1" "ServiceAccount" .Release.Namespace .Values.serviceAccount.name)) }}
{{ printf "- serviceAccount.create is false, and the ServiceAccount %s does not exist in %s: no pod starts without it." .Values.serviceAccount.name .Release.Namespace }}
{{- end }}
{{- $issuer := .Values.certManager.issuerRef }}
{{- if and .Values.certManager.enabled $issuer (eq ($issuer.group | default "cert-manager.io") "cert-manager.io") }}
{{- $kind := $issuer.kind | default "Issuer" }}
{{- if not (lookup "cert-manager.io/v1" $kind (eq $kind "Issuer" | ternary .Release.Namespace "") $issuer.name) }}
{{ printf "- certManager.issuerRef names the %s %s, which does not exist: pods do not start without the certificate." $kind $issuer.name }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
