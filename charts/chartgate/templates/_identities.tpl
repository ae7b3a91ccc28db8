{{/*
What is wrong with the value "identities", in the terms of chartgate's own check of the ConfigMap
(pkg/policy). What a template cannot see, such as a key that is no point of its curve, keeps chartgate
from becoming ready.
*/}}

{{- define "chartgate.check.identities" -}}
{{- if and .Values.identities (not .Values.identitiesConfigMap.create) }}
- identities has no effect with identitiesConfigMap.create: false; write true, or put the list into your own ConfigMap chartgate-identities
{{- end }}
{{- $names := list }}
{{- range $i, $identity := .Values.identities }}
{{- $at := printf "identities[%d]" $i }}
{{- if not (regexMatch "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$" .name) }}
{{ printf "- %s.name is %q: names consist of lower-case letters, digits, - and ." $at .name }}
{{- else if has .name $names }}
{{ printf "- %s.name is %q, as that of another entry: give each its own name" $at .name }}
{{- end }}
{{- $names = append $names .name }}
{{- if not .charts }}
{{ printf "- %s.charts is empty: list patterns, as in oci://ghcr.io/acme/charts/**" $at }}
{{- end }}
{{- range $j, $pattern := .charts }}
{{- include "chartgate.check.pattern" (list (printf "%s.charts[%d]" $at $j) $pattern) }}
{{- end }}
{{- if and .keyless .key }}
{{ printf "- %s has keyless and key: write one of them, and another entry for the other" $at }}
{{- else if not (or (hasKey $identity "keyless") (hasKey $identity "key")) }}
{{ printf "- %s says not who signs: write keyless (issuer and subject of a certificate) or key (pem)" $at }}
{{- end }}
{{- if hasKey $identity "keyless" }}
{{- include "chartgate.check.keyless" (list (printf "%s.keyless" $at) (.keyless | default dict)) }}
{{- end }}
{{- with .key }}
{{- include "chartgate.check.key" (list (printf "%s.key.pem" $at) .pem) }}
{{- end }}
{{- end }}
{{- end }}

{{/* A list of where a pattern is, and the pattern. */}}
{{- define "chartgate.check.pattern" -}}
{{- $at := index . 0 }}
{{- $pattern := index . 1 }}
{{- $rest := trimPrefix "oci://" $pattern }}
{{- if regexMatch "^(https?|git|bucket)://" $pattern }}
{{ printf "- %s is %q: charts from there carry no signature, so every one of them would be denied; publish them as oci://, or waive them with a ChartPolicy (allowUnverified)" $at $pattern }}
{{- else if not (hasPrefix "oci://" $pattern) }}
{{ printf "- %s is %q: write the scheme too, oci://%s" $at $pattern (regexReplaceAll "^.*://" $pattern "") }}
{{- else if hasSuffix "/" $rest }}
{{ printf "- %s is %q: write it without the slash at the end, or with /** for everything below" $at $pattern }}
{{- else if not (or (contains "/" $rest) (eq $rest "**")) }}
{{ printf "- %s is %q, a registry without charts: write oci://%s/** for all of them" $at $pattern $rest }}
{{- else if regexMatch "(:[^/]*|@.*)$" (regexReplaceAll "^[^/]*" $rest "") }}
{{ printf "- %s is %q: write it without a version or digest; a policy is for all versions" $at $pattern }}
{{- else if regexMatch "[^/]\\*\\*|\\*\\*[^/]" $rest }}
{{ printf "- %s is %q: ** stands alone between slashes; use one * inside of a name" $at $pattern }}
{{- else if not (regexMatch "^(\\[[0-9a-f:]+\\]|[a-z0-9*.-]+)(:[0-9]+)?(/[a-z0-9*._-]+)*$" $rest) }}
{{ printf "- %s is %q: write oci://HOST/PATH in lower-case letters, with * for a part of a name and ** for any depth" $at $pattern }}
{{- end }}
{{- end }}

{{/* A list of where keyless is, and keyless. */}}
{{- define "chartgate.check.keyless" -}}
{{- $at := index . 0 }}
{{- $keyless := index . 1 }}
{{- range $field, $example := dict "issuer" "https://token.actions.githubusercontent.com" "subject" "https://github.com/acme/charts/.github/workflows/release.yaml@refs/heads/main" }}
{{- $exact := get $keyless $field }}
{{- $expression := get $keyless (printf "%sRegExp" $field) }}
{{- if and $exact $expression }}
{{ printf "- %s has %s and %sRegExp: write one of them" $at $field $field }}
{{- else if not (or $exact $expression) }}
{{ printf "- %s has no %s: write %s: %s, or %sRegExp" $at $field $field $example $field }}
{{- end }}
{{- if $expression }}
{{- if not (and (regexMatch (printf "%s|" $expression) "") (regexMatch (printf "(?:%s)|" $expression) "")) }}
{{ printf "- %s.%sRegExp is %q, no valid regular expression (RE2, https://github.com/google/re2/wiki/Syntax): check its brackets, and write \\ before a special character that means itself" $at $field $expression }}
{{- else if regexMatch (printf "^(?:%s)$" $expression) "" }}
{{ printf "- %s.%sRegExp is %q, which matches an empty text too: write more of what the certificate says" $at $field $expression }}
{{- end }}
{{- end }}
{{- end }}
{{- with get $keyless "issuer" }}
{{- if not (regexMatch "^https?://[^/\\s]" .) }}
{{ printf "- %s.issuer is %q: write its whole URL, https://%s" $at . (regexReplaceAll "^.*://" . "") }}
{{- else if and (hasSuffix "/" .) (has (trimSuffix "/" .) (list "https://token.actions.githubusercontent.com" "https://gitlab.com" "https://accounts.google.com" "https://github.com/login/oauth" "https://login.microsoftonline.com" "https://agent.buildkite.com")) }}
{{ printf "- %s.issuer is %q: certificates spell this issuer %s; write that" $at . (trimSuffix "/" .) }}
{{- end }}
{{- end }}
{{- with get $keyless "subject" }}
{{- if contains "*" . }}
{{ printf "- %s.subject is %q, an exact text: for several subjects, write subjectRegExp with .* in place of *" $at . }}
{{- end }}
{{- end }}
{{- end }}

{{/* A list of where a key is, and the key. */}}
{{- define "chartgate.check.key" -}}
{{- $at := index . 0 }}
{{- $pem := index . 1 }}
{{- if contains "PRIVATE KEY-----" $pem }}
{{ printf "- %s is a private key: write the public one (cosign public-key --key cosign.key), and replace this key, because helm stores values in the cluster" $at }}
{{- else if contains "BEGIN CERTIFICATE-----" $pem }}
{{ printf "- %s is a certificate: write its public key (openssl x509 -in cert.pem -pubkey -noout)" $at }}
{{- else if not (regexMatch "^(\\s*-----BEGIN PUBLIC KEY-----\\s+[A-Za-z0-9+/=\\s]+-----END PUBLIC KEY-----\\s*)+$" $pem) }}
{{ printf "- %s is no public key in PEM: it begins with -----BEGIN PUBLIC KEY----- and ends with -----END PUBLIC KEY-----, as cosign.pub does" $at }}
{{- end }}
{{- end }}
