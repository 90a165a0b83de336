#!/usr/bin/env bash
# Installs, builds and starts the broker in the foreground; arguments go to `ottla serve`. With SECURE=1 within TLS and with logins
# alone: certificates and an administrator for development are made in ./secure (OTTLA_SECURE names another folder).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
binary=${OTTLA_BINARY:-$("$root/tools/binary.sh")}
# A broker that runs keeps no other checkout from compiling.
[[ -z ${cache_lock:-} ]] || exec {cache_lock}>&-
if [[ ${SECURE:-} != 1 ]]; then
    say "by default clients need neither encryption nor a login, also those of other machines; with both: make run SECURE=1"
    exec "$binary" serve "$@"
fi

folder=${OTTLA_SECURE:-$root/secure}
# Without its advice, which is for other configurations.
"$binary" tls dev "$folder" --host localhost | sed "/^$/,\$d" >&2
# secret NAME: writes standard input to a file that its owner alone may read, unless it exists.
secret() {
    if [[ -e $folder/$1 ]]; then
        cat >/dev/null
    else
        (umask 077 && cat >"$folder/$1.new" && mv "$folder/$1.new" "$folder/$1")
    fi
}
# A command of its own: within an argument its failure would not end the script, and the password would be empty.
digits=$(od -An -N18 -tx1 /dev/urandom | tr -d ' \n')
secret admin <<<"admin:$digits"
password=$(<"$folder/admin")
secret admin.properties <<END
# An administrator of the broker of \`make run SECURE=1\`, for clients of Java and --command-config.
bootstrap.servers=localhost:9093
security.protocol=SASL_SSL
ssl.truststore.type=PEM
ssl.truststore.location=$folder/ca.pem
sasl.mechanism=SCRAM-SHA-512
sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username="admin" password="${password#*:}";
END
say "clients use localhost:9093; settings of an administrator: $folder/admin.properties (certificate: $folder/ca.pem)"
export OTTLA_BOOTSTRAP_USER_FILE=$folder/admin
exec "$binary" serve \
    --override listeners=SASL_SSL://:9093 \
    --override sasl.enabled.mechanisms=SCRAM-SHA-512 \
    --override ssl.keystore.type=PEM --override "ssl.keystore.location=$folder/server.pem" \
    --override authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer "$@"
