#!/usr/bin/env bash
# Fails if a package imports a package of this module that the table of docs/architecture.md does not
# allow, or if a pure package imports a client (Kubernetes, Sigstore, OCI, HTTP).
set -euo pipefail
cd "$(dirname "$0")/.."
module=$(go list -m)
failed=0

# package: the packages of this module that it may import
allowed() {
  case $1 in
    pkg/api/v1alpha1) ;;
    pkg/problem) ;;
    pkg/coalesce) ;;
    pkg/fair) ;;
    pkg/fielderr) ;;
    pkg/sourceauth) ;;
    pkg/servingcert) ;;
    pkg/tracing) ;;
    pkg/chart) echo pkg/problem ;;
    pkg/artifact) echo pkg/chart pkg/problem ;;
    pkg/attachment) echo pkg/chart pkg/sourceauth ;;
    pkg/evidence) echo pkg/attachment pkg/chart ;;
    pkg/verdict) echo pkg/chart pkg/evidence pkg/problem ;;
    pkg/source) echo pkg/artifact pkg/chart pkg/problem pkg/sourceauth ;;
    pkg/archive) echo pkg/chart pkg/problem ;;
    pkg/policy) echo pkg/api/v1alpha1 pkg/chart pkg/evidence pkg/fielderr pkg/problem pkg/verdict ;;
    pkg/registry) echo pkg/artifact pkg/attachment pkg/chart pkg/fair pkg/problem pkg/sourceauth ;;
    pkg/credentials) echo pkg/chart pkg/coalesce pkg/problem pkg/registry pkg/sourceauth ;;
    pkg/kms) echo pkg/coalesce pkg/problem ;;
    pkg/signature) echo pkg/attachment pkg/chart pkg/evidence pkg/problem pkg/verdict ;;
    pkg/trust) echo pkg/api/v1alpha1 pkg/evidence pkg/fielderr pkg/signature pkg/verdict ;;
    pkg/gate) echo pkg/archive pkg/artifact pkg/attachment pkg/chart pkg/coalesce pkg/evidence pkg/fair pkg/policy pkg/problem pkg/sourceauth pkg/verdict ;;
    pkg/webhook) echo pkg/api/v1alpha1 pkg/chart pkg/evidence pkg/fair pkg/fielderr pkg/gate pkg/policy pkg/problem pkg/source pkg/verdict ;;
    pkg/keys) echo pkg/evidence pkg/policy pkg/problem ;;
    pkg/policystore) echo pkg/api/v1alpha1 pkg/keys pkg/policy ;;
    pkg/trustrootstore) echo pkg/api/v1alpha1 pkg/trust ;;
    pkg/status) echo pkg/api/v1alpha1 pkg/evidence pkg/keys pkg/policy pkg/policystore pkg/trust ;;
    pkg/objects) echo pkg/source ;;
    pkg/releaseindex) echo pkg/objects pkg/source ;;
    pkg/suggest) echo pkg/api/v1alpha1 pkg/chart pkg/evidence pkg/inventory pkg/policy ;;
    pkg/page) echo pkg/chart pkg/inventory ;;
    pkg/audit) echo pkg/inventory pkg/verdict ;;
    pkg/inventory) echo pkg/artifact pkg/chart pkg/evidence pkg/gate pkg/objects pkg/problem pkg/source pkg/sourceauth pkg/verdict pkg/webhook ;;
    *) return 1 ;;
  esac
}

for path in $(go list ./pkg/...); do
  package=${path#"$module"/}
  if ! may=$(allowed "$package"); then
    echo "$package is not in the table of hack/layers.sh" >&2
    failed=1
    continue
  fi
  for import in $(go list -f '{{join .Imports "\n"}}' "$path" | grep "^$module/" || true); do
    case " $may " in
      *" ${import#"$module"/} "*) ;;
      *) echo "$package imports ${import#"$module"/}" >&2; failed=1 ;;
    esac
  done
done

# outside PACKAGE PATTERN: no direct or indirect import of the package matches.
outside() {
  local found
  found=$(go list -deps "$module/$1" | grep -E "$2" || true)
  [ -z "$found" ] && return
  printf '%s reaches %s\n' "$1" "$found" >&2
  failed=1
}
world='^(k8s.io/client-go|sigs.k8s.io/controller-runtime/pkg/client|github.com/sigstore|github.com/google/go-containerregistry|oras.land)(/|$)'
for package in pkg/problem pkg/sourceauth pkg/chart pkg/artifact pkg/attachment pkg/evidence pkg/fair pkg/fielderr pkg/verdict pkg/source pkg/archive pkg/policy pkg/gate; do
  outside $package "$world"
done
for package in pkg/problem pkg/sourceauth pkg/chart pkg/artifact pkg/attachment pkg/evidence pkg/coalesce pkg/fair pkg/verdict; do
  outside $package '^net/http$'
done

# The decision knows no types of those who deploy charts: it compiles without them.
for package in pkg/gate pkg/policy pkg/verdict; do
  outside $package '^github.com/(fluxcd/[a-z-]*controller|fluxcd/pkg/(apis|runtime|auth)|argoproj)(/|$)'
done

# The product holds only the product: fixtures forge signatures on request.
outside cmd/chartgate "^$module/test(/|$)"

# only PACKAGE PATTERN: no other package imports directly what matches.
only() {
  local found
  found=$(go list -f '{{.ImportPath}} {{join .Imports " "}}' ./pkg/... | grep -E " $2(/| |$)" | cut -d' ' -f1 | grep -vE "^$module/$1$" || true)
  [ -z "$found" ] && return
  printf 'only %s may import %s, but %s does\n' "$1" "$2" "$found" >&2
  failed=1
}
only pkg/registry 'oras.land/oras-go/v2'
only 'pkg/(kms|signature)' 'github.com/sigstore'
only pkg/kms '(github.com/sigstore/sigstore/pkg/signature/kms|github.com/hashicorp/vault)'
only pkg/trust 'github.com/theupdateframework'
only pkg/credentials 'github.com/fluxcd/pkg/auth'
only pkg/archive 'github.com/fluxcd/pkg/(tar|sourceignore)'
only pkg/tracing 'go.opentelemetry.io/otel/(sdk|exporters)'
only pkg/webhook 'sigs.k8s.io/controller-runtime/pkg/webhook/admission'

# The one conversion of a denial into an admission is in one place.
if callers=$(grep -rln --include='*.go' 'verdict\.AdmitAnyway' cmd pkg | grep -vE '^pkg/webhook/mode\.go$|_test\.go$'); then
  printf 'only pkg/webhook/mode.go may call verdict.AdmitAnyway, but %s does\n' "$callers" >&2
  failed=1
fi

# What only a person may ask, about their own cluster and from their own machine: logins to any host,
# and signers of charts that no policy is about. In serve, a tenant could name the host.
if callers=$(grep -rlnE --include='*.go' '(AnyHost|Discover): ' cmd pkg | grep -vE '^cmd/chartgate/inventory\.go$|_test\.go$'); then
  printf 'only cmd/chartgate/inventory.go may set AnyHost or Discover, but %s does\n' "$callers" >&2
  failed=1
fi

exit $failed
