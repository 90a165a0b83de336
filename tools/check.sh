#!/usr/bin/env bash
# Formatting, lints, docs, dependencies, generated files and Rust tests. Every stage runs, so that one run shows every mistake.
# Only the release profile is used: RocksDB is then compiled once, for users, tests and CI alike. With --compile it only compiles
# what the stages need.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
"$root/tools/install.sh" test

shell() { git ls-files -z '*.sh' .ci/run tools/generate.d | xargs -0 shellcheck -x --source-path=SCRIPTDIR; }
lints() {
    cargo clippy --release --locked --workspace --all-targets -- -D warnings || return
    cargo clippy --release --locked -p ottla-storage --features fault --all-targets -- -D warnings
}
docs() { RUSTDOCFLAGS='-D warnings' cargo doc --release --locked --workspace --no-deps --document-private-items --quiet; }
faulty() { cargo build "${with_faults[@]}" --bin ottla-faulty; }
# The tests that drive a whole process find it through OTTLA_BINARY; OTTLA_FAULTY_BINARY breaks syncs on purpose.
tests() {
    OTTLA_BINARY=$("$root/tools/binary.sh") || return
    OTTLA_FAULTY_BINARY=$CARGO_TARGET_DIR/release/ottla-faulty
    export OTTLA_BINARY OTTLA_FAULTY_BINARY
    # More than there are processors, since most of them wait most of the time.
    RUST_TEST_THREADS=4 cargo test --release --locked --workspace --no-fail-fast
}
compile_tests() {
    faulty && cargo test --release --locked --workspace --no-run || return
    cargo test "${with_faults[@]}" --no-run --test slow_flush --test model
}
if [[ ${1:-} == --compile ]]; then
    lints && docs && compile_tests
    exit
fi

# Coordinators are state machines, and security is pure code: no async runtime, no clock, no I/O, no random source.
# ring, which checks signatures, brings a random source for keys that it makes: security uses that part nowhere.
pure() {
    local tree part
    for part in coordinator security; do
        tree=$(cargo tree --locked -p "ottla-$part" -e normal --prefix none) || return
        [[ $part != security ]] || tree=$(grep -v '^getrandom ' <<<"$tree")
        ! grep -E '^(tokio|mio|rand|getrandom|rocksdb|ottla-(storage|broker)) ' <<<"$tree" || return
    done
    ! grep -rn --include='*.rs' --exclude-dir=tests --exclude=tests.rs -E 'ring::rand|SystemRandom' crates/security/src
}

announce_rocksdb
stage format cargo fmt --all --check
stage shellcheck shell
stage words "$root/tools/words.py" --check
stage mutants "$root/tools/mutants.py" --check
stage clippy lints
stage doc docs
stage pure pure
stage deny "$root/tools/deny.sh"
stage generated "$root/tools/generate.sh" --check
# Tests mostly wait, walks only compute. Both are compiled before, or one would wait for the other's cargo.
stage compile compile_tests
begin model nice -n 19 env OTTLA_SEEDS="${OTTLA_SEEDS:-24}" "$root/tools/model.sh"
stage tests tests
stage model finish model
stage fuzz "$root/tools/fuzz.sh" --short
conclude
