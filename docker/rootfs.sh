#!/usr/bin/env bash
# docker/rootfs.sh PROGRAM DIR: lays out in DIR the file system of an image without a distribution: PROGRAM at its root,
# and the shared libraries it is linked against, its loader among them, where it looks for them. Nothing else.
# The Dockerfile's build stage and the container test use it alike, so that what is tested is what is built.
set -euo pipefail
[[ $# == 2 ]] || { echo "usage: docker/rootfs.sh PROGRAM DIR" >&2; exit 2; }
program=$1 dir=$2

install -D -m 0755 "$program" "$dir/$(basename "$program")"
# A static program has none: ldd says so and fails.
libraries=$(ldd "$program" 2>/dev/null || true)
if grep -F 'not found' <<<"$libraries" >&2; then
    echo "error: $program needs libraries that this machine lacks" >&2
    exit 1
fi
# `name => /path (address)`, or `/path (address)` for the loader; the kernel's own (vdso) has no path.
while read -r path; do
    install -D -m 0755 "$(readlink -f "$path")" "$dir$path"
done < <(sed -nE 's/^.*(=>|^)[[:space:]]*(\/[^ ]+) \(0x.*$/\2/p' <<<"$libraries")
