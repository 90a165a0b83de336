#!/usr/bin/env bash
# Everything that CI runs: `make check`, every client suite, the rig, and the container test. Every stage runs; the summary names those that failed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
"$root/tools/install.sh" test

announce_rocksdb
environments_log=$(mktemp) check_log=$(mktemp)
# Each job in the background is a process group of its own (setsid), so that all of it ends if this ends early.
# shellcheck disable=SC2317 # reached through the trap
sweep() {
    local job
    rm -f "$environments_log" "$check_log"
    for job in $(jobs -p); do kill -- -"$job" 2>/dev/null || true; done
}
trap sweep EXIT
# The clients' environments are mostly downloads: they are made while RocksDB compiles.
setsid "$root/tools/client-envs.sh" >"$environments_log" 2>&1 &
making=$!
environments() {
    local status=0
    wait "$making" || status=$?
    cat "$environments_log" >&2
    return "$status"
}
binary() {
    OTTLA_BINARY=$("$root/tools/binary.sh") && export OTTLA_BINARY
}

stage binary binary
stage environments environments
# They call `make`, whose build would wait for the one in the background.
stage readme "$root/tools/clients.sh" test_readme.py
# Clients mostly wait. What they leave of the processors compiles the lints and tests; `check` shows what is wrong with them.
setsid nice -n 19 "$root/tools/check.sh" --compile >"$check_log" 2>&1 &
compiling=$!
stage clients env PYTEST_ARGS="--ignore=test_readme.py ${PYTEST_ARGS:-}" "$root/tools/clients.sh"
stage rig "$root/tools/rig.sh" --seeds "${OTTLA_RIG_SEEDS:-20}"
stage container "$root/tests/docker/run.sh" "$OTTLA_BINARY"
wait "$compiling" || true # `check` does it again, and shows it
stage check "$root/tools/check.sh"
conclude
say "all passed"
