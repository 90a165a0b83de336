#!/usr/bin/env bash
# Compares Ottla with Apache Kafka 4.3 on this machine. Arguments go to `ottla-bench compare` (--help shows them), for instance
#   --pairs 3 --seconds 10 produce-1k produce-one:acks=all
# or, after the word `program`, to tools/bench/program.py. The output is kept as crates/bench/results/DATE-TIME-COMMIT.txt,
# the raw figures beside it as .jsonl. OTTLA_BINARY names a broker to use instead of building one.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
"$root/tools/install.sh" test
export OTTLA_KAFKA_LIBS=$OTTLA_CACHE/kafka-4.3.0/libs
OTTLA_BINARY=${OTTLA_BINARY:-$("$root/tools/binary.sh")}
export OTTLA_BINARY
"$root/tools/client-envs.sh"

commit=$(git rev-parse --short=10 HEAD 2>/dev/null || echo unknown)
[[ -z $(git status --porcelain 2>/dev/null) ]] || commit+=-changed
out=crates/bench/results/$(date -u +%Y-%m-%d-%H%M)-$commit
mkdir -p crates/bench/results

if [[ ${1:-} == program ]]; then
    shift
    export OTTLA_VENVS=$OTTLA_CACHE/venvs PYTHONDONTWRITEBYTECODE=1 OTTLA_COMMIT=$commit
    "$OTTLA_VENVS/suite/bin/python" tools/bench/program.py "$@" | tee "$out-program.txt"
    exit
fi

cargo build --release --locked --bin ottla-bench >&2
lab=$(mktemp -d "${OTTLA_TMP:-/tmp}/ottla-bench-XXXXXX")
driver=
# Kafka runs in a session of its own: whatever ends this script, no broker outlives it.
# shellcheck disable=SC2317 # reached through the trap
sweep() {
    local file
    [[ -z $driver ]] || kill -KILL "$driver" 2>/dev/null || true
    for file in "$lab"/*.pid "$lab"/kafka/pid; do
        [[ -f $file ]] && kill -KILL "$(<"$file")" 2>/dev/null
    done
    rm -rf "$lab"
}
trap sweep EXIT
trap 'exit 130' INT TERM

# In the background, so that a signal to this script is acted on at once.
exec 3> >(tee "$out.txt")
tee=$!
"$CARGO_TARGET_DIR/release/ottla-bench" compare --ottla "$OTTLA_BINARY" --kafka tools/kafka/start.sh \
    --kafka-libs "$OTTLA_KAFKA_LIBS" --folder "$lab" --json "$out.jsonl" \
    --about "$(date -u '+%Y-%m-%d %H:%M UTC'), commit $commit" "$@" >&3 3>&- &
driver=$!
exec 3>&-
status=0
wait "$driver" || status=$?
driver=
wait "$tee"
say "kept as $out.txt and $out.jsonl"
exit "$status"
