#!/usr/bin/env bash
# tools/clients.sh [--only=ECOSYSTEM | SUITE...]: runs stock clients against the release binary; all suites, or those named.
# BROKER=kafka runs the same suites against Apache Kafka 4.3 instead. PYTEST_ARGS goes to pytest.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
"$root/tools/install.sh" test

export OTTLA_SHARED=${OTTLA_SHARED:-$root/../shared}
if [[ ${BROKER:-ottla} == ottla && -z ${OTTLA_BINARY:-} ]]; then
    OTTLA_BINARY=$("$root/tools/binary.sh")
    export OTTLA_BINARY
fi
"$root/tools/client-envs.sh"
"$root/tools/processor-envs.sh" --short

export OTTLA_VENVS=$OTTLA_CACHE/venvs OTTLA_KAFKA_LIBS=$OTTLA_CACHE/kafka-4.3.0/libs OTTLA_JAVA_CLIENTS=$OTTLA_CACHE/java-clients OTTLA_KAFKA_TOOLS=$OTTLA_CACHE/kafka-tools
export OTTLA_GO_DRIVERS=$OTTLA_CACHE/go-drivers OTTLA_NODE_DRIVERS=$OTTLA_CACHE/node-drivers
export OTTLA_STREAMS=$OTTLA_CACHE/kafka-streams-4.3.0 OTTLA_CONNECT=$OTTLA_CACHE/kafka-connect-4.3.0
export OTTLA_PROCESSORS=$OTTLA_CACHE/processors
export PYTHONDONTWRITEBYTECODE=1
cd "$root/tests/clients"
# A broker per worker; most of a test's time is waiting, so more workers than cores.
# shellcheck disable=SC2086 # PYTEST_ARGS holds words
exec "$OTTLA_VENVS/suite/bin/python" -m pytest -n "${WORKERS:-5}" --dist loadgroup ${PYTEST_ARGS:-} "$@"
