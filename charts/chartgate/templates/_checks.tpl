{{/*
What is wrong with the values, in sentences that say what to write instead. values.schema.json checks
what its own messages explain: types, unknown names, choices. Each template here prints a line for
each mistake, and nothing for values that can work.
*/}}

{{- define "chartgate.checks" -}}
{{- include "chartgate.check.image" . }}
{{- include "chartgate.check.identities" . }}
{{- include "chartgate.check.trustedRoot" . }}
{{- include "chartgate.check.users" . }}
{{- include "chartgate.check.secrets" . }}
{{- include "chartgate.check.registries" . }}
{{- include "chartgate.check.proxy" . }}
{{- include "chartgate.check.webhook" . }}
{{- include "chartgate.check.certificates" . }}
{{- include "chartgate.check.pods" . }}
{{- include "chartgate.check.names" . }}
{{- include "chartgate.check.network" . }}
{{- end }}

{{- define "chartgate.check.image" -}}
{{- with .Values.image }}
{{- $repository := .repository | default "" }}
{{- if not $repository }}
- image.repository is empty, because this chart is from a checkout: install the released chart, which names its image, or set image.repository to an image of your own, as in registry.corp.example/chartgate
{{- else if contains "://" $repository }}
{{ printf "- image.repository is %q: write it without %q" $repository (regexFind "^.*://" $repository) }}
{{- else if contains "@" $repository }}
{{ printf "- image.repository is %q: write what follows @ into image.digest" $repository }}
{{- else if regexMatch ":[^/]*$" $repository }}
{{ printf "- image.repository is %q: write what follows the last colon into image.tag" $repository }}
{{- else if not (regexMatch "^(\\[[0-9a-fA-F:]+\\]|[a-z0-9._-]+)(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$" $repository) }}
{{ printf "- image.repository is %q: write REGISTRY/PATH in lower-case letters, as in registry.corp.example/chartgate" $repository }}
{{- end }}
{{- if not (regexMatch "^([A-Za-z0-9_][A-Za-z0-9._-]{0,127})?$" (.tag | default "")) }}
{{ printf "- image.tag is %q: write a tag alone, as in 0.1.0, and a digest into image.digest" .tag }}
{{- end }}
{{- if not (regexMatch "^(sha256:[0-9a-f]{64})?$" (.digest | default "")) }}
{{ printf "- image.digest is %q: write sha256: and 64 hexadecimal digits" .digest }}
{{- end }}
{{- end }}
{{- end }}

{{/* The users that Flux's and Argo CD's controllers write as. */}}
{{- define "chartgate.check.users" -}}
{{- $likely := dict "artifactWriters" "flux-system:source-controller" "releaseWriters" "flux-system:helm-controller" "argoUsers" "argocd:argocd-application-controller" }}
{{- range $value, $account := $likely }}
{{- range $i, $user := get $.Values $value }}
{{- if not (regexMatch "^system:serviceaccount:[a-z0-9]([-a-z0-9]*[a-z0-9])?:[a-z0-9]([-a-z0-9.]*[a-z0-9])?$" $user) }}
{{ printf "- %s[%d] is %q: write system:serviceaccount:NAMESPACE:NAME, as in system:serviceaccount:%s" $value $i $user $account }}
{{- else if and (eq $value "argoUsers") (hasSuffix "argocd-server" $user) }}
{{ printf "- argoUsers[%d] is %q: name the application controller instead; argocd-server writes what its users send" $i $user }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "chartgate.check.secrets" -}}
{{- $namespaces := .Values.secrets.namespaces }}
{{- if eq .Values.secrets.access "Namespaces" }}
{{- if not $namespaces }}
- secrets.access is "Namespaces", and secrets.namespaces is empty: list the namespaces of your Flux sources, or write access: None
{{- end }}
{{- else if $namespaces }}
{{ printf "- secrets.namespaces has no effect with secrets.access: %s; write access: Namespaces, or remove the list" .Values.secrets.access }}
{{- end }}
{{- $argo := .Values.argoNamespace }}
{{- range $namespace := concat $namespaces (ternary (list $argo) (list) (and (ne $argo "") (ne .Values.secrets.access "None"))) }}
{{- if not (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" $namespace) }}
{{ printf "- %q under secrets.namespaces or argoNamespace is no name of a namespace: write one name, without wildcards" $namespace }}
{{- else if and (include "chartgate.live" $) (not (lookup "v1" "Namespace" "" $namespace)) }}
{{ printf "- secrets.namespaces or argoNamespace names %q, which does not exist: create it (kubectl create namespace %s), or take it out" $namespace $namespace }}
{{- end }}
{{- end }}
{{- end }}

{{/* Whether look-ups work: they do with "helm install", and not with "helm template". */}}
{{- define "chartgate.live" -}}
{{- if lookup "v1" "Namespace" "" "kube-system" }}yes{{ end }}
{{- end }}

{{- define "chartgate.check.trustedRoot" -}}
{{- with .Values.trustedRoot }}
{{- if and .json .existingConfigMap }}
- trustedRoot.json and trustedRoot.existingConfigMap are both set: remove one
{{- end }}
{{- if .json }}
{{- $root := fromJson .json }}
{{- if hasKey $root "Error" }}
- trustedRoot.json is not JSON: set the content of the file, as with --set-file trustedRoot.json=trusted_root.json
{{- else if not (hasPrefix "application/vnd.dev.sigstore.trustedroot" (toString (get $root "mediaType"))) }}
- trustedRoot.json is JSON, but no trust root: it needs a trusted_root.json, whose mediaType starts with application/vnd.dev.sigstore.trustedroot (TUF's root.json and a signing_config.json are other files)
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "chartgate.check.registries" -}}
{{- range $from, $to := .Values.registry.mirrors }}
{{- range $i, $place := list $from $to }}
{{- if contains "://" $place }}
{{ printf "- registry.mirrors names %q: write it without %q" $place (regexFind "^.*://" $place) }}
{{- else if not (regexMatch "^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)*$" $place) }}
{{ printf "- registry.mirrors names %q: write HOST or HOST/PATH, in lower-case letters, without a slash at the end" $place }}
{{- end }}
{{- end }}
{{- if eq $from $to }}
{{ printf "- registry.mirrors reads %q from itself: name another registry, or remove it" $from }}
{{- end }}
{{- end }}
{{- range $value, $hosts := dict "registry.loginHosts" .Values.registry.loginHosts "plainHTTP" .Values.plainHTTP }}
{{- range $i, $host := $hosts }}
{{- if contains "://" $host }}
{{ printf "- %s[%d] is %q: write it without %q" $value $i $host (regexFind "^.*://" $host) }}
{{- else if contains "/" $host }}
{{ printf "- %s[%d] is %q: write the host without a path, %s" $value $i $host (regexFind "^[^/]*" $host) }}
{{- else if not (regexMatch "^(\\[[0-9a-f:]+\\]|[a-z0-9]([-a-z0-9.]*[a-z0-9])?)(:[0-9]+)?$" $host) }}
{{ printf "- %s[%d] is %q: write HOST or HOST:PORT, in lower-case letters, without wildcards" $value $i $host }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.registry }}
{{- if and .caBundle .existingCAConfigMap }}
- registry.caBundle and registry.existingCAConfigMap are both set: remove one
{{- end }}
{{- include "chartgate.check.pem" (list "registry.caBundle" .caBundle) }}
{{- end }}
{{- end }}

{{/* A list of a value's name and a text that must hold certificates in PEM, if anything. */}}
{{- define "chartgate.check.pem" -}}
{{- $name := index . 0 }}
{{- $text := index . 1 }}
{{- $whole := regexFindAll "-----BEGIN CERTIFICATE-----\\s+[A-Za-z0-9+/=\\s]+-----END CERTIFICATE-----" $text -1 }}
{{- if contains "PRIVATE KEY-----" $text }}
{{ printf "- %s holds a private key: write only certificates, and replace the key" $name }}
{{- else if and $text (or (not $whole) (ne (len $whole) (len (regexFindAll "-----(BEGIN|END) " $text -1 | chunk 2)))) }}
{{ printf "- %s holds no complete certificate in PEM: it must begin with -----BEGIN CERTIFICATE----- and end with -----END CERTIFICATE-----, as with --set-file %s=ca.crt" $name $name }}
{{- end }}
{{- end }}

{{- define "chartgate.check.proxy" -}}
{{- with .Values.registry.proxy }}
{{- if contains "@" .url }}
- registry.proxy.url holds a login: set HTTPS_PROXY under env instead, from a Secret
{{- else if and .url (not (contains "://" .url)) }}
{{ printf "- registry.proxy.url is %q: write the scheme too, http://%s" .url .url }}
{{- else if not (regexMatch "^(https?://[^/\\s]+/?)?$" .url) }}
{{ printf "- registry.proxy.url is %q: write http://HOST:PORT or https://HOST:PORT" .url }}
{{- end }}
{{- if and .noProxy (not .url) }}
- registry.proxy.noProxy has no effect without registry.proxy.url: set both, or none
{{- end }}
{{- if regexMatch "\\s" .noProxy }}
{{ printf "- registry.proxy.noProxy is %q: separate hosts by commas, without spaces" .noProxy }}
{{- else if contains "://" .noProxy }}
{{ printf "- registry.proxy.noProxy is %q: write hosts, domains and networks without a scheme" .noProxy }}
{{- end }}
{{- end }}
{{- end }}

{{- define "chartgate.check.webhook" -}}
{{- with .Values.webhook }}
{{- if or (lt (int .timeoutSeconds) 1) (gt (int .timeoutSeconds) 30) }}
{{ printf "- webhook.timeoutSeconds is %d: write 1 to 30; Kubernetes allows no more" (int .timeoutSeconds) }}
{{- end }}
{{- with .clientCA }}
{{- if and .caBundle .existingConfigMap }}
- webhook.clientCA.caBundle and webhook.clientCA.existingConfigMap are both set: remove one
{{- end }}
{{- include "chartgate.check.pem" (list "webhook.clientCA.caBundle" .caBundle) }}
{{- range $i, $name := .names }}
{{- if regexMatch "^$|[,\\s]" $name }}
{{ printf "- webhook.clientCA.names[%d] is %q: write one name in an item, without commas and spaces" $i $name }}
{{- end }}
{{- end }}
{{- if not (regexMatch "^[-._a-zA-Z0-9]+$" .key) }}
{{ printf "- webhook.clientCA.key is %q: write the key of the ConfigMap that holds the CAs, as in ca.crt" .key }}
{{- end }}
{{- if and .names (not .caBundle) (not .existingConfigMap) }}
- webhook.clientCA.names has no effect without the CA of these certificates: set webhook.clientCA.caBundle or webhook.clientCA.existingConfigMap
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "chartgate.check.certificates" -}}
{{- $issuer := .Values.certManager.issuerRef | default dict }}
{{- if .Values.certManager.enabled }}
{{- if or .Values.certificates.existingSecret .Values.certificates.caBundle }}
- certManager.enabled is true, and certificates.existingSecret or certificates.caBundle is set: choose one of the two ways to get a certificate
{{- end }}
{{- if and (include "chartgate.live" .) (not (.Capabilities.APIVersions.Has "cert-manager.io/v1")) }}
- certManager.enabled is true, and cert-manager is not installed in this cluster: install it first, or write certManager.enabled: false
{{- end }}
{{- if and $issuer (not (get $issuer "name")) }}
- certManager.issuerRef has no name: write {name, kind, group} of an issuer, or leave issuerRef empty, and chartgate gets a CA of its own
{{- else if and (get $issuer "kind") (eq (get $issuer "group" | default "cert-manager.io") "cert-manager.io") (not (has (get $issuer "kind") (list "Issuer" "ClusterIssuer"))) }}
{{ printf "- certManager.issuerRef.kind is %q: cert-manager has Issuer and ClusterIssuer; for another issuer, write its group too" (get $issuer "kind") }}
{{- end }}
{{- else if $issuer }}
- certManager.issuerRef has no effect without certManager.enabled: true; write that, or remove issuerRef
{{- end }}
{{- with .Values.certificates }}
{{- if and .existingSecret (not .caBundle) }}
- certificates.existingSecret is set without certificates.caBundle, the CA that signed it: without that, the API server trusts no certificate, and every write is denied
{{- else if and .caBundle (not .existingSecret) }}
- certificates.caBundle is set without certificates.existingSecret, the Secret with the certificate: set both, or none
{{- end }}
{{- include "chartgate.check.pem" (list "certificates.caBundle" .caBundle) }}
{{- end }}
{{- end }}

{{- define "chartgate.check.pods" -}}
{{- if lt (int .Values.replicas) 1 }}
{{ printf "- replicas is %d: write at least 1, better 2; without pods every write that changes a chart is denied. To open the gate, uninstall the release" (int .Values.replicas) }}
{{- end }}
{{- $available := toString .Values.podDisruptionBudget.maxUnavailable }}
{{- if or (not (regexMatch "^[0-9]+%?$" $available)) (regexMatch "^0+%?$" $available) }}
{{ printf "- podDisruptionBudget.maxUnavailable is %q: write a number from 1 or a percentage from 1%%; with 0, no node with a pod of chartgate can be drained" $available }}
{{- end }}
{{- $args := include "chartgate.args" . }}
{{- range $i, $arg := .Values.extraArgs }}
{{- $flag := regexFind "^--[a-z-]+" $arg }}
{{- if not (regexMatch "^--[a-z][a-z-]*(=.*)?$" $arg) }}
{{ printf "- extraArgs[%d] is %q: write --flag=value in one item" $i $arg }}
{{- else if regexMatch (printf "(?m)^ *- %s(=|$)" $flag) $args }}
{{ printf "- extraArgs[%d] repeats %s, which the chart sets: remove it, and set the value for it if there is one (charts/chartgate/README.md)" $i $flag }}
{{- end }}
{{- end }}
{{- range $i, $variable := .Values.env }}
{{- if or (has .name (list "POD_NAMESPACE" "HOME")) (and (has .name (list "MEMORY_LIMIT_MIB" "GOMEMLIMIT")) (dig "limits" "memory" "" $.Values.resources)) }}
{{ printf "- env[%d] sets %s, which the chart sets itself: remove it" $i .name }}
{{- else if and $.Values.registry.proxy.url (has .name (list "HTTPS_PROXY" "NO_PROXY")) }}
{{ printf "- env[%d] sets %s, and registry.proxy.url is set too: use one of the two" $i .name }}
{{- end }}
{{- end }}
{{- $sizes := dict }}
{{- range $kind, $amounts := pick .Values.resources "requests" "limits" }}
{{- $memory := include "chartgate.amount" (get ($amounts | default dict) "memory") }}
{{- if and $memory (or (not (regexMatch "^[0-9]+(\\.[0-9]+)?(k|Ki|M|Mi|G|Gi|T|Ti)?$" $memory) ) (regexMatch "^[0-9]{1,7}$" $memory)) }}
{{ printf "- resources.%s.memory is %q: write a number with the unit Mi or Gi, as in 512Mi" $kind $memory }}
{{- else if $memory }}
{{- $_ := set $sizes $kind (include "chartgate.mebibytes" $memory | int) }}
{{- end }}
{{- end }}
{{- if and (hasKey $sizes "requests") (hasKey $sizes "limits") (gt (get $sizes "requests") (get $sizes "limits")) }}
{{ printf "- resources.requests.memory is %s, more than resources.limits.memory, %s: write no more than the limit" .Values.resources.requests.memory .Values.resources.limits.memory }}
{{- end }}
{{- range $label, $_ := .Values.podLabels }}
{{- if has $label (list "app.kubernetes.io/name" "app.kubernetes.io/instance") }}
{{ printf "- podLabels sets %s, by which the Service finds the pods: remove it" $label }}
{{- end }}
{{- end }}
{{- $volumes := list "tmp" "cache" }}
{{- range .Values.extraVolumes }}
{{- $volumes = append $volumes .name }}
{{- end }}
{{- range $i, $mount := .Values.extraVolumeMounts }}
{{- if not (has $mount.name $volumes) }}
{{ printf "- extraVolumeMounts[%d] mounts %q, which extraVolumes does not have: add the volume, or fix the name" $i (toString $mount.name) }}
{{- end }}
{{- end }}
{{- if and .Values.priorityClassName (include "chartgate.live" .) (not (lookup "scheduling.k8s.io/v1" "PriorityClass" "" .Values.priorityClassName)) }}
{{ printf "- priorityClassName is %q, which does not exist: name one of \"kubectl get priorityclasses\", or write \"\"" .Values.priorityClassName }}
{{- end }}
{{- with .Values.tracing.otlpEndpoint }}
{{- if contains "@" . }}
- tracing.otlpEndpoint holds a login: set OTEL_EXPORTER_OTLP_HEADERS under env instead, from a Secret
{{- else if not (regexMatch "^https?://[^?#\\s]+$" .) }}
{{ printf "- tracing.otlpEndpoint is %q: write the URL of OTLP over HTTP, http://%s" . (regexReplaceAll "^.*://|[?#].*$" . "") }}
{{- end }}
{{- end }}
{{- with .Values.metrics.serviceMonitor }}
{{- if not (regexMatch "^([0-9]+(ms|[smh]))?$" (.interval | default "")) }}
{{ printf "- metrics.serviceMonitor.interval is %q: write a number with a unit, as in 30s" .interval }}
{{- end }}
{{- if and .enabled (include "chartgate.live" $) (not ($.Capabilities.APIVersions.Has "monitoring.coreos.com/v1")) }}
- metrics.serviceMonitor.enabled is true, and the Prometheus operator is not installed in this cluster: install it first, or use metrics.service.enabled
{{- end }}
{{- end }}
{{- end }}

{{/* An amount as Kubernetes reads it: helm reads a plain number as one with an exponent. */}}
{{- define "chartgate.amount" -}}
{{- if kindIs "float64" . }}{{ printf "%.0f" . }}{{ else }}{{ . | default "" }}{{ end }}
{{- end }}

{{/* An amount of memory, in MiB. */}}
{{- define "chartgate.mebibytes" -}}
{{- $units := dict "" 1.0 "k" 1e3 "Ki" 1024.0 "M" 1e6 "Mi" 1048576.0 "G" 1e9 "Gi" 1073741824.0 "T" 1e12 "Ti" 1099511627776.0 }}
{{- divf (mulf (regexFind "^[0-9.]+" . | float64) (get $units (regexFind "[A-Za-z]*$" .))) 1048576.0 | int64 }}
{{- end }}

{{/* Names of objects, which Kubernetes would refuse one by one. */}}
{{- define "chartgate.check.names" -}}
{{- $names := dict
  "trustedRoot.existingConfigMap" .Values.trustedRoot.existingConfigMap
  "registry.existingCAConfigMap" .Values.registry.existingCAConfigMap
  "webhook.clientCA.existingConfigMap" .Values.webhook.clientCA.existingConfigMap
  "certificates.existingSecret" .Values.certificates.existingSecret
  "serviceAccount.name" .Values.serviceAccount.name }}
{{- range $i, $name := .Values.registryConfig.existingSecrets }}
{{- $_ := set $names (printf "registryConfig.existingSecrets[%d]" $i) $name }}
{{- end }}
{{- range $value, $name := $names }}
{{- if contains "/" ($name | default "") }}
{{ printf "- %s is %q: write the name alone; the object must be in the namespace of the release" $value $name }}
{{- else if not (regexMatch "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$" ($name | default "")) }}
{{ printf "- %s is %q: names consist of lower-case letters, digits, - and ." $value $name }}
{{- end }}
{{- end }}
{{- if and (not .Values.crds.install) (include "chartgate.live" .) }}
{{- range list "chartpolicies" "trustedidentities" "trustroots" }}
{{- if not (lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" (printf "%s.chartgate.dev" .)) }}
{{ printf "- crds.install is false, and the cluster has no definition of %s: apply charts/chartgate/files/crds first, or write crds.install: true" . }}
{{- end }}
{{- end }}
{{- end }}
{{- if not .Values.serviceAccount.name }}
- serviceAccount.name is empty: write a name, as in chartgate
{{- end }}
{{- end }}

{{- define "chartgate.check.network" -}}
{{- $byte := "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])" }}
{{- range $i, $cidr := .Values.networkPolicy.webhookFrom }}
{{- if not (or (regexMatch (printf "^%s(\\.%s){3}/(3[0-2]|[12]?[0-9])$" $byte $byte) $cidr) (regexMatch "^[0-9a-fA-F]*:[0-9a-fA-F:.]*/(12[0-8]|1[01][0-9]|[1-9]?[0-9])$" $cidr)) }}
{{ printf "- networkPolicy.webhookFrom[%d] is %q: write a network as ADDRESS/BITS, as in 10.0.0.0/24, or 10.0.0.5/32 for one address" $i $cidr }}
{{- end }}
{{- end }}
{{- if and (not .Values.networkPolicy.enabled) (or .Values.networkPolicy.webhookFrom .Values.networkPolicy.egress) }}
- networkPolicy.webhookFrom and networkPolicy.egress have no effect without networkPolicy.enabled: true; write that, or remove them
{{- end }}
{{- end }}
