#!/usr/bin/env bash
# debian.sh PACKAGE DIRECTORY: unpacks a Debian package, with what it depends on and this machine lacks, into DIRECTORY.
# It needs no root and changes nothing else: apt keeps its lists and files in a folder that goes away.
# The version is that of the machine's Debian: its archive keeps no older one.
set -euo pipefail
package=$1 directory=$2

apt=$(mktemp -d)
trap 'rm -rf "$apt"' EXIT
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
get() {
  apt-get -qq -o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt/cache" -o Dir::Cache::Archives="$apt/cache/archives" \
    -o Debug::NoLocking=true -o APT::Sandbox::User= -o Acquire::Retries=3 "$@"
}

# A source that has nothing to do with the package may fail: the next step tells.
get update || true
get install --yes --download-only --reinstall --no-install-recommends "$package" >/dev/null

rm -rf "$directory.new" "$directory"
mkdir -p "$directory.new"
for deb in "$apt"/cache/archives/*.deb; do
  dpkg -x "$deb" "$directory.new"
done
mv "$directory.new" "$directory"
