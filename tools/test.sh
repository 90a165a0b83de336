#!/usr/bin/env bash
# Everything that CI runs: `make check`, every client suite, the rig, and the container test. Every stage runs; the summary names those that failed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
"$root/tools/install.sh" test

announce_rocksdb
# The clients' environments are mostly downloads: they are made while RocksDB compiles.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
"$root/tools/client-envs.sh" >"$log" 2>&1 &
making=$!
environments() {
    local status=0
    wait "$making" || status=$?
    cat "$log" >&2
    return "$status"
}

stage check "$root/tools/check.sh"
stage environments environments
stage clients "$root/tools/clients.sh"
stage rig "$root/tools/rig.sh" --seeds "${OTTLA_RIG_SEEDS:-20}"
stage container "$root/tests/docker/run.sh"
conclude
say "all passed"
