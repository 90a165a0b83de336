#!/usr/bin/env bash
# Compares the storage with a plain model, with crashes at any write: 2 000 random walks, or as OTTLA_SEEDS says; with OTTLA_SEED
# only that one, OTTLA_TRIES times. Before that, flushes that are slower than what is written. A build of its own, as faults are
# compiled in.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
"$root/tools/install.sh" test
export OTTLA_SEEDS=${OTTLA_SEEDS:-2000}
cargo test "${with_faults[@]}" --test slow_flush
exec cargo test "${with_faults[@]}" --test model -- --nocapture --test-threads=1
