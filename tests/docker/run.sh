#!/usr/bin/env bash
# tests/docker/run.sh [OTTLA]: the container as its users meet it, from the release binary (built if none is given).
#
# Builds the last stage of docker/Dockerfile (no image is pulled: the binary's own file system stands in for the build
# stage), runs it hardened with published ports and a volume, and drives it from outside with kafka-python; then brings up
# docker/compose.yaml by docker-compose 1.29 and asks its Prometheus for the broker's metrics. Skips, saying so, where there
# is no root or no engine. Removes everything it made, and leaves other engines on the machine alone.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../tools/lib.sh"
here=$root/tests/docker

skip() {
    printf '\n!!! SKIPPED: the container test: %s\n\n' "$*" >&2
    exit 0
}
[[ $EUID == 0 ]] || skip "it starts a container engine, which only root can"
have dockerd || skip "no dockerd (Debian: apt-get install docker.io)"
have unshare || skip "no unshare (Debian: apt-get install util-linux)"
have ip || skip "no ip (Debian: apt-get install iproute2)"

# Outside: what needs the network, or the build. Then the rest in namespaces of its own, where every port is free, and whose
# end takes the engine's processes, mounts, bridge and packet filter rules with it.
venv=$OTTLA_CACHE/venvs/container-test
if [[ ${OTTLA_INSIDE:-} != yes ]]; then
    binary=${1:-$("$root/tools/binary.sh")}
    [[ -e $venv/ready ]] || {
        say "installing kafka-python into $venv"
        rm -rf "$venv"
        python3 -m venv "$venv"
        "$venv/bin/pip" -q --disable-pip-version-check install kafka-python==3.0.12
        touch "$venv/ready"
    }
    # Those of other platforms too, which no build here has downloaded, and `cargo metadata` asks for.
    cargo fetch --quiet --locked
    unshare --net --mount --pid --fork true || skip "this machine gives no namespaces of its own"
    OTTLA_WORK=$(mktemp -d /tmp/ottla-docker.XXXXXX)
    export OTTLA_INSIDE=yes OTTLA_WORK
    trap 'rm -rf "$OTTLA_WORK"' EXIT
    unshare --net --mount --pid --fork --kill-child --mount-proc "$0" "$(realpath "$binary")"
    exit
fi
binary=$1 work=$OTTLA_WORK
ip link set lo up

export DOCKER_HOST=unix://$work/docker.sock
# Debian's own client, which builds with BuildKit by itself; others want a plugin for that.
docker() { DOCKER_BUILDKIT=${buildkit:-1} "$docker" "$@"; }
docker=/usr/bin/docker
[[ -x $docker ]] || docker=$(command -v docker)
engine=''

# shellcheck disable=SC2317 # reached through the trap
cleanup() {
    local status=$?
    trap - EXIT INT TERM
    if [[ -n $engine ]]; then
        docker ps -aq 2>/dev/null | xargs -r "$docker" rm -f >/dev/null 2>&1 || true
        kill "$engine" 2>/dev/null || true
        wait "$engine" 2>/dev/null || true
    fi
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# within SECONDS COMMAND...: waits until the command succeeds.
within() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || return 1
        sleep 0.2
    done
}
# expect WHAT COMMAND...: one check, by name.
expect() {
    local what=$1
    shift
    if "$@"; then printf '   ok: %s\n' "$what" >&2; else fail "$what"; fi
}

quietly() { "$@" >/dev/null; }

# --- engine ----------------------------------------------------------------------------------------------------------
start_engine() {
    dockerd --host "$DOCKER_HOST" --data-root "$work/data" --exec-root "$work/exec" --pidfile "$work/pid" \
        --storage-driver vfs "$@" >"$work/dockerd.log" 2>&1 &
    engine=$!
    answers() { docker info || ! kill -0 "$engine"; }
    within 60 answers && docker info >/dev/null 2>&1 && return
    kill "$engine" 2>/dev/null || true
    wait "$engine" 2>/dev/null || true
    engine=''
    return 1
}
# Without netfilter, docker's own proxy still publishes ports.
if ! start_engine && ! start_engine --iptables=false --ip6tables=false; then
    tail -5 "$work/dockerd.log" >&2
    skip "dockerd does not run on this machine (its last words are above)"
fi
say "engine: $(docker version --format '{{.Server.Version}}'), client $(docker version --format '{{.Client.Version}}')"

# --- images ----------------------------------------------------------------------------------------------------------
# given NAME PROGRAM: an image that holds PROGRAM's file system in /rootfs beside /data, for the build argument ROOTFS.
given() {
    mkdir -p "$work/$1/data"
    "$root/docker/rootfs.sh" "$2" "$work/$1/rootfs"
    tar -C "$work/$1" -c rootfs data | docker import - "$1" >/dev/null
}
[[ $(basename "$binary") == ottla ]] || { install -D "$binary" "$work/ottla"; binary=$work/ottla; }
given ottla-rootfs "$binary"
docker build -q --build-arg ROOTFS=ottla-rootfs -f "$root/docker/Dockerfile" -t ottla:latest "$root" >/dev/null
say "image: $(docker image inspect -f '{{.Size}}' ottla:latest | numfmt --to=iec) bytes"
# Everything the image holds, folders aside.
docker create --name look ottla:latest >/dev/null
holds=$(docker export look | tar -t | grep -v '/$' | grep -vE '^(dev/|etc/|proc|sys|\.dockerenv)' | sort)
docker rm look >/dev/null
only_needed() { ! grep -vE '^(ottla|lib(64)?/[^ ]*\.so[.0-9]*)$' <<<"$holds" >&2; }
expect "the image holds the binary and shared libraries, nothing else" only_needed
expect "the image does not run as root" test "$(docker image inspect -f '{{.Config.User}}' ottla:latest)" = 65532:65532

# The build stage cannot run here (its base image is not pulled); that it is sent the whole workspace can be checked.
context_is_a_workspace() {
    printf 'FROM scratch\nCOPY . /\n' >"$work/context.Dockerfile"
    docker build -q -f "$work/context.Dockerfile" -t context "$root" >/dev/null || return
    docker create --name context context none >/dev/null && mkdir -p "$work/context"
    docker export context | tar -x -C "$work/context" && docker rm context >/dev/null || return
    (cd "$work/context" && test -x docker/rootfs.sh && cargo metadata --locked --offline --format-version 1 >/dev/null)
}
expect "the build's context holds all that cargo and the build stage need" context_is_a_workspace

# --- one container -----------------------------------------------------------------------------------------------------
start() {
    docker run -d --name ottla --read-only --cap-drop ALL --security-opt no-new-privileges -v ottla-test:/data \
        -p 9092:9092 -p 127.0.0.1:8080:8080 ottla:latest >/dev/null
}
health() { docker inspect -f '{{.State.Health.Status}}' ottla; }
is_decided() { [[ $(health) != starting ]]; }
is_healthy() { [[ $(health) == healthy ]]; }
healthy() {
    within 90 is_decided && is_healthy && return
    docker logs ottla >&2
    docker inspect -f '{{json .State.Health}}' ottla >&2
    return 1
}
uid() { awk '/^Uid:/ { print $2 }' "/proc/$(docker inspect -f '{{.State.Pid}}' ottla)/status"; }

start
expect "the health check passes" healthy
expect "the process is user 65532" test "$(uid)" = 65532
expect "the volume belongs to that user" \
    test "$(stat -c %u "$(docker volume inspect -f '{{.Mountpoint}}' ottla-test)")" = 65532

drive() { timeout 120 "$venv/bin/python" "$here/drive.py" "$@"; }
expect "kafka-python sends through the published port" drive send "localhost:9092" 1000
expect "kafka-python reads them back in a group" drive read "localhost:9092" 1000
curl -fsS "http://127.0.0.1:8080/metrics" >"$work/metrics"
shows() { grep -qF "$1" "$work/metrics"; }
expect "the metrics count what was sent" \
    shows 'kafka_server_brokertopicmetrics_messagesin_total{topic="container-test"} 1000'
expect "the metrics show that the group has no lag" \
    shows 'kafka_consumergroup_lag_sum{consumergroup="container-test",topic="container-test"} 0'
if have promtool; then
    # 1 is what cannot be parsed, 3 what is not to its taste: Kafka's names are not, ours are.
    lint() {
        local status=0 words
        words=$(promtool check metrics <"$work/metrics" 2>&1) || status=$?
        [[ $status == 0 || $status == 3 ]] && ! grep -v '^kafka_' <<<"$words" | grep . >&2
    }
    expect "promtool parses the metrics, and has nothing to say about names of our own" lint
fi

# A client on the container's own network, by the container's name.
if have kcat; then
    given kcat-rootfs "$(command -v kcat)"
    printf 'FROM kcat-rootfs AS rootfs\nFROM scratch\nCOPY --from=rootfs /rootfs/ /\nENTRYPOINT ["/kcat"]\n' |
        docker build -q -t kcat - >/dev/null
    docker network create ottla-test >/dev/null
    docker network connect --alias ottla ottla-test ottla
    beside() { [[ $(docker run --rm --network ottla-test kcat -C -q -b "ottla:9092" -t container-test -e | wc -l) == 1000 ]]; }
    expect "a container beside it reads them too" beside
fi

stopped_cleanly() { docker stop -t 60 ottla >/dev/null && [[ $(docker inspect -f '{{.State.ExitCode}}' ottla) == 0 ]]; }
expect "docker stop ends it cleanly" stopped_cleanly
docker rm ottla >/dev/null
start
expect "a new container on the same volume is healthy" healthy
expect "the volume kept the records" drive check "localhost:9092" 1000
docker rm -f ottla >/dev/null

# The classic builder, which docker-compose 1.29 and old engines use. It insists on the build stage, which is cut out.
mkdir "$work/empty"
sed '/^FROM rust/,/^RUN cargo/d' "$root/docker/Dockerfile" >"$work/empty/Dockerfile"
buildkit=0 docker build -q --build-arg ROOTFS=ottla-rootfs -t ottla:classic "$work/empty" >/dev/null 2>"$work/classic.log" ||
    { cat "$work/classic.log" >&2; fail "the classic builder refuses the Dockerfile"; }
# The owner of the folder that a new volume takes over.
owner() {
    docker create --name look "$1" >/dev/null
    docker export look | tar -tv data/ | awk '{ print $2 }'
    docker rm look >/dev/null
}
expect "the classic builder makes the same image" test "$(owner ottla:classic)" = 65532/65532

# --- compose -----------------------------------------------------------------------------------------------------------
compose_file=$root/docker/compose.yaml
if have promtool; then
    expect "promtool accepts prometheus.yml and its alerts" quietly promtool check config "$root/docker/prometheus.yml"
fi
if ! have docker-compose; then
    say "no docker-compose: compose.yaml is not tried"
elif ! have prometheus; then
    expect "docker-compose accepts compose.yaml" docker-compose -f "$compose_file" config -q
    say "no prometheus to stand in for its image: compose.yaml is not brought up"
else
    # Debian's Prometheus in the place of the image that cannot be pulled.
    image=$(docker-compose -f "$compose_file" config | sed -nE 's/^ *image: (prom\/.*)$/\1/p')
    # Its volume is /prometheus, so the program has another name.
    cp "$(command -v prometheus)" "$work/server"
    given prometheus-rootfs "$work/server"
    printf 'FROM prometheus-rootfs AS rootfs\nFROM scratch\nCOPY --from=rootfs /rootfs/ /\nENTRYPOINT ["/server", "--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]\n' |
        docker build -q -t "$image" - >/dev/null
    # In Grafana's place a program that prints the files which Grafana would read.
    image=$(docker-compose -f "$compose_file" config | sed -nE 's/^ *image: (grafana\/.*)$/\1/p')
    given tail-rootfs "$(command -v tail)"
    printf 'FROM tail-rootfs AS rootfs\nFROM scratch\nCOPY --from=rootfs /rootfs/ /\nENTRYPOINT ["/tail", "-n", "+1", "-f", "/etc/grafana/provisioning/datasources/ottla.yml", "/etc/grafana/provisioning/dashboards/ottla.yml", "/etc/grafana/dashboards/ottla.json"]\n' |
        docker build -q -t "$image" - >/dev/null
    compose() { docker-compose -f "$compose_file" -p ottla-test "$@"; }
    brings_up() { compose up -d --no-build 2>"$work/compose.log" || { cat "$work/compose.log" >&2; return 1; }; }
    expect "docker-compose brings the services up" brings_up
    up() { curl -fsS 'http://127.0.0.1:9090/api/v1/query?query=up%7Bjob%3D%22ottla%22%7D' | grep -q '"1"\]'; }
    expect "its Prometheus scrapes the broker" within 60 up
    expect "clients reach the composed broker" drive send localhost:9092 10
    rules() { curl -fsS 'http://127.0.0.1:9090/api/v1/rules' | grep -q '"name":"BrokerDown"'; }
    expect "its Prometheus has the alerts" rules
    # logs SERVICE TEXT [TIMES]: the container has printed lines with that text, at least that many.
    logs() { (($(compose logs --no-color "$1" 2>&1 | tee "$work/logs" | grep -c "$2") >= ${3:-1})); }
    expect "Grafana finds its data source" within 20 logs grafana 'url: http://prometheus:9090'
    expect "Grafana finds its dashboard" within 20 logs grafana '"title": "Ottla"'
    sample_runs() { compose --profile sample up -d --no-build 2>"$work/compose.log" || { cat "$work/compose.log" >&2; return 1; }; }
    expect "docker-compose brings the sample up" sample_runs
    expect "the sample's consumer prints what its producer writes" within 30 logs sample-consumer 'order 100$'
    expect "the sample's producer writes again and again" within 60 logs sample-consumer 'order 100$' 3
    compose --profile sample down -v 2>/dev/null
fi
say "the container test passed"
