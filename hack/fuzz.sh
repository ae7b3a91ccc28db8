#!/usr/bin/env bash
# Runs every fuzz target of the module for FUZZTIME each: a number of executions
# ("5000x", so that it does not depend on the machine's speed) or a time ("10m").
set -euo pipefail
cd "$(dirname "$0")/.."

git ls-files --cached --others --exclude-standard '*_test.go' | xargs grep -HoE '^func Fuzz[A-Za-z0-9]+' |
  while IFS=: read -r file declaration; do
    target=${declaration#func }
    printf '== %s %s\n' "$(dirname "$file")" "$target"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-5000x}" "./$(dirname "$file")"
  done
