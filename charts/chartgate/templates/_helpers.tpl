{{/*
Names are fixed, not derived from the release: one chartgate gates a whole cluster, its RBAC rules
are generated with these names, and documentation can say "kubectl logs deployment/chartgate".
*/}}

{{- define "chartgate.selectorLabels" -}}
app.kubernetes.io/name: chartgate
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "chartgate.labels" -}}
{{ include "chartgate.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Where the serving certificate comes from: Managed (by chartgate), CertManager or Existing. */}}
{{- define "chartgate.certificates" -}}
{{- if .Values.certManager.enabled }}CertManager
{{- else if .Values.certificates.existingSecret }}Existing
{{- else }}Managed
{{- end }}
{{- end }}

{{/*
The Secret that holds the serving certificate. Each source of the certificate has its own Secret, so
that a change of the source does not mix certificates.
*/}}
{{- define "chartgate.certificateSecret" -}}
{{- $certificates := include "chartgate.certificates" . }}
{{- if eq $certificates "CertManager" }}chartgate-tls
{{- else if eq $certificates "Existing" }}{{ .Values.certificates.existingSecret }}
{{- else }}chartgate-certificate
{{- end }}
{{- end }}

{{/* The ConfigMap that holds trusted_root.json; empty without one. */}}
{{- define "chartgate.registryCAConfigMap" -}}
{{- if .Values.registry.caBundle }}chartgate-registry-ca
{{- else }}{{ .Values.registry.existingCAConfigMap }}
{{- end }}
{{- end }}

{{/* The ConfigMap that holds the CAs of the API server's client certificate; empty without one. */}}
{{- define "chartgate.clientCAConfigMap" -}}
{{- if .Values.webhook.clientCA.caBundle }}chartgate-client-ca
{{- else }}{{ .Values.webhook.clientCA.existingConfigMap }}
{{- end }}
{{- end }}

{{- define "chartgate.trustedRootConfigMap" -}}
{{- if .Values.trustedRoot.json }}chartgate-trusted-root
{{- else }}{{ .Values.trustedRoot.existingConfigMap }}
{{- end }}
{{- end }}
