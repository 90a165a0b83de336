#!/usr/bin/env bash
# tools/acls.sh: compares decisions about ACLs with those of Apache Kafka 4.3's own authorizer, by its jars: 24 000 decisions in 500
# histories, or as many histories as OTTLA_ACL_SEEDS says, from OTTLA_FIRST_SEED on. A seed always makes the same history.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
"$root/tools/install.sh" test
"$root/tools/client-envs.sh"
export OTTLA_KAFKA_LIBS=$OTTLA_CACHE/kafka-4.3.0/libs
exec cargo test "${with_faults[@]}" --test oracle acls -- --ignored --nocapture
