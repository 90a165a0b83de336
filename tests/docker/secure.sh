#!/usr/bin/env bash
# tests/docker/secure.sh [OTTLA]: docker/compose.secure.yaml without an engine. Runs the commands of its services as processes, with their
# users, variables, secrets and volumes, in namespaces whose files and ports are those of the containers. Kafka's tools and Prometheus
# are those of this machine. Skips, saying so, where it is not root or something is missing.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../tools/lib.sh"
here=$root/tests/docker libs=${OTTLA_KAFKA_LIBS:-$OTTLA_CACHE/kafka-4.3.0/libs}

skip() {
    printf '\n!!! SKIPPED: the secure compose file: %s\n\n' "$*" >&2
    exit 0
}
[[ $EUID == 0 ]] || skip "it makes namespaces, which only root can"
for program in unshare setpriv ip docker-compose prometheus java chroot; do
    have "$program" || skip "no $program"
done
venv=$OTTLA_CACHE/venvs/container-test
[[ -d $libs ]] || skip "no jars of Kafka in $libs (tools/client-envs.sh)"

if [[ ${OTTLA_INSIDE:-} != yes ]]; then
    binary=${1:-$("$root/tools/binary.sh")}
    [[ -e $venv/ready ]] || skip "no kafka-python in $venv (tests/docker/run.sh)"
    unshare --net --mount --pid --fork true || skip "this machine gives no namespaces of its own"
    OTTLA_WORK=$(mktemp -d /tmp/ottla-secure.XXXXXX)
    export OTTLA_INSIDE=yes OTTLA_WORK
    trap 'rm -rf "$OTTLA_WORK"' EXIT
    unshare --net --mount --pid --fork --kill-child "$0" "$(realpath "$binary")"
    exit
fi
binary=$1 inside=$OTTLA_WORK/root
ip link set lo up

# A root folder with this machine's programs, and the folders of the containers.
mkdir "$inside"
mount -t tmpfs tmpfs "$inside"
for folder in usr bin sbin lib lib64 dev; do
    if [[ -L /$folder ]]; then
        cp -P "/$folder" "$inside/$folder"
    elif [[ -d /$folder ]]; then
        mkdir "$inside/$folder" && mount --rbind "/$folder" "$inside/$folder"
    fi
done
mkdir -p "$inside"/{proc,tmp,data,tls,prometheus,run/secrets,opt/kafka/bin,opt/kafka/libs}
mount -t proc proc "$inside/proc"
mount --bind "$libs" "$inside/opt/kafka/libs"
cp -a /etc "$inside/etc"
rm -rf "$inside/etc/prometheus"
mkdir "$inside/etc/prometheus"
echo '127.0.0.1 localhost ottla' >"$inside/etc/hosts"
chmod 1777 "$inside/tmp"
install -m 0755 "$binary" "$inside/ottla"
chown 65532:65532 "$inside/data" "$inside/tls"
chown 65534:65534 "$inside/prometheus"
while read -r name main; do
    printf '#!/bin/sh\nexec java -XX:TieredStopAtLevel=1 -Xmx256m -cp "/opt/kafka/libs/*" %s "$@"\n' "$main" >"$inside/opt/kafka/bin/$name"
    chmod 755 "$inside/opt/kafka/bin/$name"
done <<'END'
kafka-configs.sh kafka.admin.ConfigCommand
kafka-topics.sh org.apache.kafka.tools.TopicCommand
kafka-acls.sh org.apache.kafka.tools.AclCommand
kafka-console-producer.sh org.apache.kafka.tools.ConsoleProducer
kafka-console-consumer.sh org.apache.kafka.tools.consumer.ConsoleConsumer
END

# What a person does, in a copy: the secrets are not made in the checkout.
cp -r "$root/docker" "$OTTLA_WORK/docker"
rm -rf "$OTTLA_WORK/docker/secrets"
# Without random bytes no empty password may be made.
mkdir "$OTTLA_WORK/broken"
ln -s "$(type -P false)" "$OTTLA_WORK/broken/od"
! PATH=$OTTLA_WORK/broken:$PATH "$OTTLA_WORK/docker/secrets.sh" 2>/dev/null || fail "secrets.sh makes passwords of nothing"
[[ -z $(ls "$OTTLA_WORK/docker/secrets") ]] || fail "secrets.sh writes secrets that it could not make"
"$OTTLA_WORK/docker/secrets.sh"
docker-compose -f "$OTTLA_WORK/docker/compose.secure.yaml" config >"$OTTLA_WORK/config.yaml"
if have promtool; then
    cp "$OTTLA_WORK"/docker/{prometheus.secure.yml,alerts.yml} "$OTTLA_WORK/"
    promtool check config "$OTTLA_WORK/prometheus.secure.yml" >/dev/null || fail "promtool refuses prometheus.secure.yml"
fi
export OTTLA_PYTHON=$venv/bin/python
# Of the system: docker-compose 1.29 brings it yaml.
/usr/bin/python3 "$here/secure.py" "$OTTLA_WORK/config.yaml" "$inside"
say "the secure compose file holds what it says"
