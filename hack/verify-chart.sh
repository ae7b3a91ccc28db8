#!/usr/bin/env bash
# Compares the chart's copies of generated files with their originals, and lints the chart.
# With --update (`make generate`), makes the copies instead.
set -euo pipefail
cd "$(dirname "$0")/.."

chart=charts/chartgate
helm=${HELM:-bin/helm}

if [[ ${1:-} == --update ]]; then
  rm -f "$chart"/files/crds/*.yaml
  cp config/crd/*.yaml "$chart"/files/crds/
  cp config/rbac/role.yaml "$chart"/files/role.yaml
  exit
fi

failed=
diff -ru config/crd "$chart"/files/crds || failed=1
diff -u config/rbac/role.yaml "$chart"/files/role.yaml || failed=1
if [[ $failed ]]; then
  echo "$chart is behind config: run 'make generate'" >&2
  exit 1
fi

if [[ ! -x $helm ]]; then
  echo "$helm is missing: run 'make tools'" >&2
  exit 1
fi
"$helm" lint --strict --quiet "$chart"
