#!/usr/bin/env bash
# Says what the product's binary costs: its size, the packages compiled, and the CPU time to compile
# them with an empty build cache, by module. It compiles everything again, which takes minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
export GOFLAGS=-trimpath CGO_ENABLED=0

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
GOCACHE=$scratch/cache go build -ldflags=-w -debug-actiongraph="$scratch/graph" -o "$scratch/chartgate" ./cmd/chartgate

echo "$(stat -c %s "$scratch/chartgate") bytes, $(go list -deps ./cmd/chartgate | wc -l) packages"
# An action is an object with one field on a line; times are in nanoseconds.
awk -F'"' '
  $2 == "Package" { name = $4 }
  $2 == "CmdUser" || $2 == "CmdSys" {
    time = $3; gsub(/[^0-9]/, "", time)
    split(name, part, "/")
    module = part[1] ~ /\./ ? part[1] "/" part[2] "/" part[3] : "std"
    sum[module] += time / 1e9; total += time / 1e9
  }
  END {
    printf "%8.1f s of CPU time in all\n", total
    for (module in sum) printf "%8.1f s %s\n", sum[module], module | "sort -rn | head -20"
  }' "$scratch/graph"
