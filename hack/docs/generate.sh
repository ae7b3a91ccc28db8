#!/usr/bin/env bash
# Writes the pages that are generated: docs/reference and the README of the Helm chart. hack/verify.sh compares those of
# resources and values, and a test of cmd/chartgate that of the commands.
set -euo pipefail
cd "$(dirname "$0")/../.."

bin/crd-ref-docs --config=hack/docs/resources/config.yaml --templates-dir=hack/docs/resources --renderer=markdown \
  --source-path=pkg/api --output-path=docs/reference/resources.md --log-level=ERROR

# helm-docs TEMPLATE OUTPUT, relative to the chart. A test of suites/helmchart finds values without a description.
helm-docs() {
  bin/helm-docs --chart-search-root=charts/chartgate --template-files=hack/docs/values-table.gotmpl,"$1" --output-file="$2" \
    --sort-values-order=file --skip-version-footer --log-level=warning
}
helm-docs README.md.gotmpl README.md
helm-docs hack/docs/values.md.gotmpl ../../docs/reference/values.md
