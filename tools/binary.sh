#!/usr/bin/env bash
# Builds the release binary if need be and prints its path, the only thing on stdout.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
"$root/tools/install.sh" run
announce_rocksdb
cargo build --release --locked --bin ottla >&2
printf '%s\n' "$CARGO_TARGET_DIR/release/ottla"
