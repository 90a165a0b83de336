#!/usr/bin/env bash
# tests/docker/monitoring.sh [OTTLA]: alerts, dashboard and compose.yaml without an engine. Unit tests of the alerts, which must notice when
# one is broken; then a real Prometheus and real brokers: alerts whose causes are made, and every query of the dashboard under load.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../tools/lib.sh"
"$root/tools/install.sh" test
here=$root/tests/docker
# Of promtool, which leaves its files where it is killed.
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT

python=$OTTLA_CACHE/venvs/suite/bin/python
[[ -x $python ]] || "$root/tools/client-envs.sh"
OTTLA_BINARY=${1:-$("$root/tools/binary.sh")}
export OTTLA_BINARY PYTHONDONTWRITEBYTECODE=1

# Of the system: docker-compose 1.29 brings it yaml. Only root has that installed (tools/install.sh).
if have docker-compose && /usr/bin/python3 -c 'import yaml' 2>/dev/null; then
    docker-compose -f "$root/docker/compose.yaml" config -q
    docker-compose -f "$root/docker/compose.yaml" --profile sample config -q
    /usr/bin/python3 "$here/monitoring_files.py"
    mutants() { TMPDIR=$temporary /usr/bin/python3 "$here/alert_mutants.py" "$root/docker/alerts.yml" "$here/alerts"; }
else
    mutants() { say "no docker-compose, so no yaml: alerts are not broken on purpose, compose.yaml is not looked at"; }
fi
promtool check config "$root/docker/prometheus.yml" >/dev/null || fail "promtool refuses prometheus.yml"
TMPDIR=$temporary promtool test rules "$here"/alerts/*.test.yml >"$temporary/log" 2>&1 || { cat "$temporary/log" >&2; fail "alerts do not fire when they should"; }
say "the alerts fire when they should, and only then"
mutants
"$python" "$here/real_alerts.py"
"$python" "$here/dashboards.py"
say "alerts and dashboard hold what they say"
