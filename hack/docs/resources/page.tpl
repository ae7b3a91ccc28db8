{{- define "gvList" -}}
<!-- Generated from pkg/api: run `make docs`. -->

# Custom resources

{{ range . -}}
The kinds of `{{ .GroupVersionString }}`, all of them cluster-scoped, and their fields. [policies.md](../policies.md) shows
how to use ChartPolicy and TrustedIdentity, [trust-roots.md](../trust-roots.md) TrustRoot.

{{ $gv := . -}}
{{ range .SortedKinds -}}
- [{{ . }}](#{{ lower . }})
{{ end }}
{{ range .SortedKinds }}{{ template "type" ($gv.TypeForKind .) }}{{ end -}}
{{ range .SortedTypes }}{{ if not .GVK }}{{ template "type" . }}{{ end }}{{ end -}}
{{ end -}}
{{- end -}}
