{{- define "type" -}}
{{- $type := . -}}
{{- if markdownShouldRenderType $type -}}
## {{ $type.Name }}

{{ $type.Doc }}
{{ with $type.SortedReferences }}
Part of {{ range $i, $t := . }}{{ if $i }}, {{ end }}{{ markdownRenderTypeLink $t }}{{ end }}.
{{ end }}
{{ if not (has "Type: string" $type.Validation) }}{{ with $type.Members -}}
| Field | Meaning | Default | Rules |
|---|---|---|---|
{{ range . -}}
{{ if eq .Name "metadata" -}}
| `metadata` | the [metadata](https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/) of every object | | |
{{ else -}}
| `{{ .Name }}`{{ if has "Required: {}" .Validation }}, required{{ end }}<br>{{ markdownRenderType .Type }} | {{ template "text" .Doc }} | {{ with .Default }}`{{ . }}`{{ end }} | {{ range $i, $v := without .Validation "Required: {}" "Optional: {}" }}{{ if $i }}<br>{{ end }}{{ template "text" $v }}{{ end }} |
{{ end -}}
{{ end }}
{{ end }}{{ end -}}
{{ with $type.EnumValues -}}
| Value | Meaning |
|---|---|
{{ range . -}}
| `{{ .Name }}` | {{ template "text" .Doc }} |
{{ end }}
{{ end -}}
{{ with $type.Validation -}}
Rules: {{ range $i, $v := . }}{{ if $i }}; {{ end }}{{ $v }}{{ end }}.

{{ end -}}
{{ end -}}
{{- end -}}

{{- define "text" -}}
{{ . | replace "|" "\\|" | replace "\n" " " }}
{{- end -}}
