#!/usr/bin/env bash
# Installs, builds and starts the broker in the foreground; arguments go to `ottla serve`.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
binary=$("$root/tools/binary.sh")
# A broker that runs keeps no other checkout from compiling.
[[ -z ${cache_lock:-} ]] || exec {cache_lock}>&-
exec "$binary" serve "$@"
