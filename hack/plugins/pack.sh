#!/usr/bin/env bash
# pack.sh BINARY VERSION PLATFORM FOLDER: packs chartgate's helm plugins with a binary of chartgate as
# FOLDER/chartgate-VERSION-PLATFORM.tgz and FOLDER/chartgate-getter-VERSION-PLATFORM.tgz. The version is a
# semantic one, with or without a leading v; the platform is as linux-amd64. Equal input gives equal bytes.
#
# helm derives the plugin's name from the file's name, up to the first "-" before a digit. An archive has the
# plugin twice, with one binary: in a folder of the plugin's name, where helm 4 wants it in a local file, and at
# its root, where helm 3 wants it behind a URL.
set -euo pipefail
[ $# -eq 4 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
binary=$(realpath "$1") version=${2#v} platform=$3 folder=$(realpath -m "$4")
cd "$(dirname "$0")"
name=chartgate
[ "${platform%%-*}" != windows ] || name=chartgate.exe
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$folder"

for plugin in chartgate chartgate-getter; do
  root=$work/$plugin.d
  mkdir -p "$root/$plugin/bin"
  install -m 755 "$binary" "$root/$plugin/bin/$name"
  sed "s/^version: .*/version: $version/" "$plugin/plugin.yaml" >"$root/$plugin/plugin.yaml"
  sed "s:bin/chartgate:$plugin/bin/chartgate:" "$root/$plugin/plugin.yaml" >"$root/plugin.yaml"
  chmod 644 "$root/plugin.yaml" "$root/$plugin/plugin.yaml"
  tar -C "$root" --format=ustar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
    -cf - plugin.yaml "$plugin" | gzip -n >"$folder/$plugin-$version-$platform.tgz"
done
