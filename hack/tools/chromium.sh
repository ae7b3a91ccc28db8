#!/bin/sh
# bin/chromium: the browser that hack/tools/debian.sh unpacked beside it.
root=$(dirname "$(readlink -f "$0")")/debian/chromium
for libraries in "$root"/usr/lib/*-linux-gnu "$root"/usr/lib/*-linux-gnu/pulseaudio; do
  LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$libraries
done
export LD_LIBRARY_PATH
exec "$root/usr/lib/chromium/chromium-headless-shell" "$@"
