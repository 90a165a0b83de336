#!/usr/bin/env bash
# tools/rig.sh [--seeds N] [--from S | --seed S] [--steps N] [--apis A,B] [--trace] [--messages]: sends the same generated requests
# to Ottla and to Apache Kafka 4.3 and compares the decoded answers. With --transactions [--lanes N] [--seconds N] each seed is 25
# sequences of requests about transactions, and N seeds (10) are under way at once; --seconds begins no further seed after that
# time. tests/rig/differences.yaml lists the intended differences, tests/rig/served.yaml the APIs that only one of them serves, with
# the reasons. A seed always makes the same requests. OTTLA_BINARY names a broker to use instead of building one, OTTLA_RIG_LOGS a
# folder to which both brokers' logs are copied.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
"$root/tools/install.sh" test
OTTLA_BINARY=${OTTLA_BINARY:-$("$root/tools/binary.sh")}
"$root/tools/client-envs.sh"
jars=$OTTLA_CACHE/kafka-4.3.0/libs

lab=$(mktemp -d "${OTTLA_TMP:-/tmp}/ottla-rig-XXXXXX")
ottla=
# Kafka runs in a session of its own: whatever ends this script, neither broker outlives it.
# shellcheck disable=SC2317 # reached through the trap
sweep() {
    [[ -z $ottla ]] || { kill -KILL "$ottla" && wait "$ottla"; } 2>/dev/null || true
    [[ ! -f $lab/kafka/pid ]] || kill -KILL "$(<"$lab/kafka/pid")" 2>/dev/null || true
    [[ -z ${OTTLA_RIG_LOGS:-} ]] || cp "$lab/kafka/log" "$lab/ottla.log" "$OTTLA_RIG_LOGS" || true
    rm -rf "$lab"
}
trap sweep EXIT
trap 'exit 130' INT TERM

# Two ports in a row (Kafka's controller has the second) and two for Ottla, below those that outgoing connections take.
port=$(python3 - <<'P'
import random, socket
while True:
    port, sockets = random.randrange(12000, 31000), []
    try:
        for one in range(port, port + 4):
            sockets.append(socket.socket())
            sockets[-1].bind(("127.0.0.1", one))
        print(port)
        break
    except OSError:
        continue
P
)
mkdir -p "$lab/kafka/libs" "$lab/classes"
ln -s "$jars"/*.jar "$lab/kafka/libs/"
javac -nowarn -XDsuppressNotes -cp "$jars/*" -d "$lab/classes" tests/rig/*.java
jar cf "$lab/kafka/libs/telemetry.jar" -C "$lab/classes" Telemetry.class
# The same configuration for both: partitions of topics made on first use, no delay before a group's first rebalance, nor
# between assignments (a consumer group of Ottla has none). Kafka never
# cleans the segment that is being written, here the whole topic, so Ottla must not clean either.
tools/kafka/start.sh "$lab/kafka" "$port" num.partitions=2 metric.reporters=Telemetry offsets.topic.num.partitions=1 \
    transaction.state.log.num.partitions=1 share.coordinator.state.topic.num.partitions=1 group.streams.initial.rebalance.delay.ms=0 \
    group.consumer.assignment.interval.ms=0 >&2
"$OTTLA_BINARY" serve --data "$lab/ottla" --listen "127.0.0.1:$((port + 2))" --http "127.0.0.1:$((port + 3))" \
    --override node.id=1 --override num.partitions=2 --override group.initial.rebalance.delay.ms=0 --override group.streams.initial.rebalance.delay.ms=0 \
    --override log.cleaner.enable=false >"$lab/ottla.log" 2>&1 &
ottla=$!
until (: <"/dev/tcp/127.0.0.1/$((port + 2))") 2>/dev/null; do
    kill -0 "$ottla" 2>/dev/null || fail "Ottla ended: $(tail -5 "$lab/ottla.log")"
    sleep 0.05
done

# In the background, so that a signal to this script is acted on at once.
java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx256m -cp "$lab/classes:$jars/*" \
    Rig "127.0.0.1:$port" "127.0.0.1:$((port + 2))" tests/rig/differences.yaml tests/rig/served.yaml "$@" 2>"$lab/rig.err" &
rig=$!
status=0
wait "$rig" || status=$?
grep -v SLF4J "$lab/rig.err" >&2 || true
kill -0 "$ottla" 2>/dev/null || fail "Ottla ended: $(tail -5 "$lab/ottla.log")"
exit "$status"
