#!/usr/bin/env bash
# Regenerates everything that is generated. hack/verify.sh compares.
set -euo pipefail
cd "$(dirname "$0")/.."

bin/controller-gen object paths=./pkg/api/...
bin/controller-gen crd paths=./pkg/api/... output:crd:dir=config/crd
bin/controller-gen rbac:roleName=chartgate paths=./pkg/... paths=./cmd/... output:rbac:dir=config/rbac

# Helm reads no files outside of a chart.
rm -f charts/chartgate/files/crds/*.yaml
cp config/crd/*.yaml charts/chartgate/files/crds/
cp config/rbac/role.yaml charts/chartgate/files/role.yaml
