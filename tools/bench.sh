#!/usr/bin/env bash
# Whole-process figures beside Apache Kafka 4.3; arguments go to tools/bench/whole_process.py (--help shows them).
# The output is printed and kept as tools/bench/results/DATE-COMMIT.txt.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
"$root/tools/install.sh" test
export OTTLA_SHARED=${OTTLA_SHARED:-$root/../shared}
[[ -d $OTTLA_SHARED/clients ]] || fail "no $OTTLA_SHARED/clients: the program that is timed is read from there (set OTTLA_SHARED)"
OTTLA_BINARY=${OTTLA_BINARY:-$("$root/tools/binary.sh")}
export OTTLA_BINARY OTTLA_VENVS=$OTTLA_CACHE/venvs OTTLA_KAFKA_LIBS=$OTTLA_CACHE/kafka-4.3.0/libs PYTHONDONTWRITEBYTECODE=1
"$root/tools/client-envs.sh"

commit=$(git rev-parse --short=10 HEAD 2>/dev/null || echo unknown)
[[ -z $(git status --porcelain 2>/dev/null) ]] || commit+=-changed
export OTTLA_COMMIT=$commit
out=tools/bench/results/$(date -u +%Y-%m-%d)-$commit.txt
mkdir -p tools/bench/results
"$OTTLA_VENVS/suite/bin/python" tools/bench/whole_process.py "$@" | tee "$out.part"
mv "$out.part" "$out"
say "kept as $out"
