#!/bin/sh
# bin/NAME: the program of that name that hack/tools/debian.sh unpacked into bin/debian/NAME.
name=$(basename "$0")
root=$(dirname "$(readlink -f "$0")")/debian/$name
for libraries in "$root"/usr/lib/*-linux-gnu "$root"/lib/*-linux-gnu; do
  LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$libraries
done
export LD_LIBRARY_PATH
for program in "$root"/usr/sbin/"$name" "$root"/sbin/"$name" "$root"/bin/"$name"; do
  [ -x "$program" ] && exec "$program" "$@"
done
echo "$0: $root holds no $name" >&2
exit 127
