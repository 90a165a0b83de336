#!/usr/bin/env bash
# tools/processors.sh [SUITE...]: stream processors exactly once against the release binary, in full; all suites, or those named
# (processors/test_copy.py). The broker and they are killed meanwhile. Each process has a heap of at most 1.5 GB.
# BROKER=kafka runs the same suites against Apache Kafka 4.3 instead. OTTLA_COPY_… lengthens the copy (CONTRIBUTING.md).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
"$root/tools/install.sh" test

[[ $# -gt 0 ]] || set -- processors
"$root/tools/processor-envs.sh"
# A processor alone takes two cores and up to 3 GB, broker included.
WORKERS=${WORKERS:-2} exec "$root/tools/clients.sh" --processors "$@"
