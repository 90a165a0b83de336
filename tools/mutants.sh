#!/usr/bin/env bash
# Breaks the storage on purpose, one fault at a time, and sees that its tests notice (docs/mutants.md).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
"$root/tools/install.sh" test
export PROFILE=--release
exec "$root/tools/mutants.py" "$@"
