#!/usr/bin/env bash
# All that CI runs: `make check`, every client suite, and the container test. Every stage runs; the summary names what failed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
"$root/tools/install.sh" test

stage check "$root/tools/check.sh"
stage clients "$root/tools/clients.sh"
stage container "$root/tests/docker/run.sh"
conclude
say "all passed"
