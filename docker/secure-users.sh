#!/bin/sh
# The service "users" of compose.secure.yaml: makes a user for each line of the secret "users", the topic "sample", and the ACLs of the
# sample clients. It may run again: it sets the same passwords, and keeps the topic and the ACLs.
set -eu
bin=/opt/kafka/bin
tool() {
    name=$1
    shift
    "$bin/$name" --bootstrap-server ottla:9093 --command-config /run/secrets/admin_properties "$@"
}
# Passwords go by a file: other users of the machine can read the arguments of a program. printf is a part of the shell.
umask 077
settings=$(mktemp)
trap 'rm -f "$settings"' EXIT
while read -r user password; do
    printf 'SCRAM-SHA-512=password=%s\n' "$password" >"$settings"
    tool kafka-configs.sh --alter --entity-type users --entity-name "$user" --add-config-file "$settings"
done </run/secrets/users
tool kafka-topics.sh --create --if-not-exists --topic sample
tool kafka-acls.sh --add --allow-principal User:producer --operation Write --topic sample
tool kafka-acls.sh --add --allow-principal User:consumer --operation Read --topic sample --group sample
