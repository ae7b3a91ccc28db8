#!/usr/bin/env bash
# Tests what the Helm chart renders (charts/chartgate/tests). helm-unittest itself passes without any suite, skips a file
# that holds none, and a test that asks for it: here these fail.
set -euo pipefail
cd "$(dirname "$0")/.."

suites=(charts/chartgate/tests/*.yaml)
trap 'rmdir --ignore-fail-on-non-empty charts/chartgate/tests/__snapshot__' EXIT # helm-unittest makes it
if ! output=$(bin/helm-unittest --strict charts/chartgate 2>&1); then
  printf '%s\n' "$output" >&2
  exit 1
fi
sed -n '/^Test Suites:/p; /^Tests:/p; /^Time:/p' <<<"$output"
if ! grep -qE "^Test Suites: +${#suites[@]} passed, ${#suites[@]} total$" <<<"$output" ||
  ! grep -qE '^Tests: +([1-9][0-9]*) passed, \1 total$' <<<"$output"; then
  echo "FAIL: not every file in charts/chartgate/tests is a suite (*_test.yaml) of which every test runs" >&2
  exit 1
fi
