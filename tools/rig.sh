#!/usr/bin/env bash
# tools/rig.sh [--seeds N] [--from S | --seed S] [--steps N] [--apis A,B] [--trace] [--messages]: sends the same generated requests
# to Ottla and to Apache Kafka 4.3 and compares the decoded answers. With --transactions [--lanes N] [--seconds N] each seed is 25
# sequences of requests about transactions, and N seeds (10) are under way at once; --seconds begins no further seed after that
# time. With --acls both brokers have an authorizer, and users with random permissions send the requests; with --everyone as well, they
# may also do what no entry is about (allow.everyone.if.no.acl.found). With --logins the clients do nothing but log in, in usual and in
# spoilt ways (tests/rig/Logins.java and logins.yaml). tests/rig/differences.yaml lists the intended differences, tests/rig/served.yaml the
# APIs that only one of them serves, with the reasons. A seed always makes the same requests. OTTLA_BINARY names a broker to use instead of building one, OTTLA_RIG_LOGS a
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

# Two ports in a row (Kafka's controller has the second), two for Ottla, and two for logins, below those that outgoing connections take.
port=$(python3 - <<'P'
import random, socket
while True:
    port, sockets = random.randrange(12000, 31000), []
    try:
        for one in range(port, port + 6):
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
# Users log in on a listener of their own. A client without a login is the super user, as is each broker itself.
program=(Rig) lists=(tests/rig/differences.yaml tests/rig/served.yaml) security=()
kafka_users=() ottla_users=(--listen "127.0.0.1:$((port + 2))") kafka_address=127.0.0.1:$port ottla_address=127.0.0.1:$((port + 2))
if [[ " $* " == *" --acls "* ]]; then
    security=(authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer super.users=User:ANONYMOUS
        "allow.everyone.if.no.acl.found=$([[ " $* " == *" --everyone "* ]] && echo true || echo false)")
elif [[ " $* " == *" --logins "* ]]; then
    program=(Logins) lists=(tests/rig/logins.yaml)
    # Lives that are over within a pause of a sequence, and of which the other mechanisms' are not; failures are told soon.
    security=(connection.failed.authentication.delay.ms=10 listener.name.users.plain.connections.max.reauth.ms=1200
        listener.name.users.scram-sha-256.connections.max.reauth.ms=60000 max.connections.per.ip=10000)
fi
if [[ ${#security[@]} != 0 ]]; then
    jaas='org.apache.kafka.common.security.plain.PlainLoginModule required'
    for user in u0 u1 u2 u3 u4 u5 alice bob; do jaas+=" user_$user=\"password of $user\""; done
    security+=("listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,USERS:SASL_PLAINTEXT"
        "listener.name.users.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512" "listener.name.users.plain.sasl.jaas.config=$jaas;")
    for hash in 256 512; do
        security+=("listener.name.users.scram-sha-$hash.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;")
    done
    kafka_users=("${security[@]}" "listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1)),USERS://127.0.0.1:$((port + 4))")
    ottla_users=(--override "listeners=PLAINTEXT://127.0.0.1:$((port + 2)),USERS://127.0.0.1:$((port + 5))")
    for setting in "${security[@]}"; do ottla_users+=(--override "$setting"); done
    kafka_address+=,127.0.0.1:$((port + 4)) ottla_address+=,127.0.0.1:$((port + 5))
fi
# The same configuration for both: partitions of topics made on first use, no delay before a group's first rebalance, nor
# between assignments (a consumer group of Ottla has none). Kafka never
# cleans the segment that is being written, here the whole topic, so Ottla must not clean either.
tools/kafka/start.sh "$lab/kafka" "$port" num.partitions=2 metric.reporters=Telemetry offsets.topic.num.partitions=1 \
    transaction.state.log.num.partitions=1 share.coordinator.state.topic.num.partitions=1 group.streams.initial.rebalance.delay.ms=0 \
    group.consumer.assignment.interval.ms=0 group.streams.assignment.interval.ms=0 "${kafka_users[@]}" >&2
"$OTTLA_BINARY" serve --data "$lab/ottla" "${ottla_users[@]}" --http "127.0.0.1:$((port + 3))" \
    --override node.id=1 --override num.partitions=2 --override group.initial.rebalance.delay.ms=0 --override group.streams.initial.rebalance.delay.ms=0 \
    --override group.streams.assignment.interval.ms=0 \
    --override log.cleaner.enable=false >"$lab/ottla.log" 2>&1 &
ottla=$!
until (: <"/dev/tcp/127.0.0.1/$((port + 2))") 2>/dev/null; do
    kill -0 "$ottla" 2>/dev/null || fail "Ottla ended: $(tail -5 "$lab/ottla.log")"
    sleep 0.05
done

# In the background, so that a signal to this script is acted on at once.
java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx256m -cp "$lab/classes:$jars/*" \
    "${program[@]}" "$kafka_address" "$ottla_address" "${lists[@]}" "$@" 2>"$lab/rig.err" &
rig=$!
status=0
wait "$rig" || status=$?
grep -v SLF4J "$lab/rig.err" >&2 || true
kill -0 "$ottla" 2>/dev/null || fail "Ottla ended: $(tail -5 "$lab/ottla.log")"
exit "$status"
