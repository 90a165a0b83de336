#!/usr/bin/env bash
# tools/quotas.sh: compares throttle times and the quotas that apply with those of Apache Kafka 4.3's own quota managers, by its jars:
# 10 000 uses in 100 histories and 200 sets of entities, or as many histories as OTTLA_QUOTA_SEEDS says, from OTTLA_FIRST_SEED on.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
"$root/tools/install.sh" test
"$root/tools/client-envs.sh"
export OTTLA_KAFKA_LIBS=$OTTLA_CACHE/kafka-4.3.0/libs
exec cargo test "${with_faults[@]}" --test oracle quotas -- --ignored --nocapture
