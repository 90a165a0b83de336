#!/usr/bin/env bash
# Everything that CI runs: `make check`, every client suite, the rig, also with users and ACLs and with random logins, decisions about ACLs beside Kafka's, the container test, alerts and the dashboard. Every stage runs; the summary names those that failed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
"$root/tools/install.sh" test

announce_rocksdb
# The clients' environments are mostly downloads: they are made while RocksDB compiles.
begin environments "$root/tools/client-envs.sh"
binary() {
    OTTLA_BINARY=$("$root/tools/binary.sh") && export OTTLA_BINARY
}

stage binary binary
stage environments finish environments
# They call `make`, whose build would wait for the one in the background.
stage readme "$root/tools/clients.sh" test_readme.py
# Clients mostly wait. What they leave of the processors compiles the lints and tests; `check` shows what is wrong with them.
begin compile nice -n 19 "$root/tools/check.sh" --compile
stage clients env PYTEST_ARGS="--ignore=test_readme.py ${PYTEST_ARGS:-}" "$root/tools/clients.sh"
stage rig "$root/tools/rig.sh" --seeds "${OTTLA_RIG_SEEDS:-20}"
# The time of logins is mostly the delay of failures and pauses.
begin rig-logins "$root/tools/rig.sh" --logins --seeds 400
stage rig-acls "$root/tools/rig.sh" --acls --seeds 4
stage rig-logins finish rig-logins
# It mostly waits, until alerts fire, and allows for a machine that is busy beside it.
begin monitoring "$root/tests/docker/monitoring.sh" "$OTTLA_BINARY"
stage container "$root/tests/docker/run.sh" "$OTTLA_BINARY"
stage secure-compose "$root/tests/docker/secure.sh" "$OTTLA_BINARY"
stage monitoring finish monitoring
finish compile 2>/dev/null || true # `check` does it again, and shows it
stage acls "$root/tools/acls.sh"
stage quotas "$root/tools/quotas.sh"
stage check "$root/tools/check.sh"
conclude
say "all passed"
