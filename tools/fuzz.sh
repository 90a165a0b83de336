#!/usr/bin/env bash
# The fuzz targets of crates/fuzz for OTTLA_FUZZ_SECONDS each: 60 by cargo-fuzz, guided by coverage, where it and a nightly
# compiler are installed, else by the driver in crates/fuzz. With --short by the driver, 3 seconds each. Arguments name targets.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if [[ ${1:-} == --short ]]; then
    shift
    OTTLA_FUZZ_SECONDS=${OTTLA_FUZZ_SECONDS:-3}
elif cargo +nightly fuzz --version >/dev/null 2>&1; then
    targets=("$@")
    [[ $# != 0 ]] || mapfile -t targets < <(cargo +nightly fuzz list)
    for target in "${targets[@]}"; do
        say "cargo-fuzz: $target"
        cargo +nightly fuzz run "$target" -- -max_total_time="${OTTLA_FUZZ_SECONDS:-60}" -rss_limit_mb=1024 -timeout=20
    done
    exit
else
    say "cargo-fuzz with a nightly compiler is missing: the driver runs instead, without coverage"
fi
OTTLA_FUZZ_SECONDS=${OTTLA_FUZZ_SECONDS:-60} exec cargo run --release --locked --quiet --bin ottla-fuzz -- "$@"
