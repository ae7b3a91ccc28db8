#!/usr/bin/env bash
# Fails if generated or formatted files differ, if a linter reports an error, or if an import breaks
# the layers. Changes no file.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
failed=0

step() { printf '== %s\n' "$1"; }
fail() { printf 'FAIL: %s\n' "$1" >&2; failed=1; }

step "generated files"
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files --cached --others --exclude-standard -z | xargs -0 cp --parents -t "$copy" 2>/dev/null || true
ln -s "$root/bin" "$copy/bin"
(cd "$copy" && hack/generate.sh && hack/docs/generate.sh)
for generated in pkg/api config/crd config/rbac charts/chartgate/files; do
  diff -ru "$generated" "$copy/$generated" || fail "$generated differs: run make generate"
done
for generated in docs/reference charts/chartgate/README.md; do
  diff -ru "$generated" "$copy/$generated" || fail "$generated differs: run make docs"
done

step "gofmt"
unformatted=$(git ls-files --cached --others --exclude-standard '*.go' | xargs gofmt -l)
[ -z "$unformatted" ] || fail "not formatted: $unformatted"

step "go vet"
go vet ./... || fail "go vet"

step "staticcheck"
bin/staticcheck ./... || fail "staticcheck"

step "actionlint"
bin/actionlint .github/workflows/*.yaml || fail "a workflow"

step "go mod tidy"
go mod tidy -diff || fail "go.mod is not tidy"
! grep -nE '^\s*replace\b' go.mod || fail "go.mod holds replace: it breaks go install"

step "layers"
hack/layers.sh || fail "an import breaks the layers"

exit $failed
