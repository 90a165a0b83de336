#!/bin/sh
# docker/secrets.sh [FOLDER]: makes the secrets of compose.secure.yaml in docker/secrets, unless an earlier run made them: random
# passwords of the administrator, the producer, the consumer and Prometheus, and the settings of their clients. Makes all of them or
# keeps all of them. Needs nothing but a shell.
set -eu
folder=${1:-$(dirname "$0")/secrets}
# The files are for containers of several users; the folder is closed to all others of this machine.
mkdir -p "$folder"
chmod 700 "$folder"
umask 022

# A password of 36 hexadecimal digits. A pipe tells of its last program alone, and an empty password must not be: the length is checked.
password() {
    digits=$(od -An -N18 -tx1 /dev/urandom | tr -d ' \n')
    [ ${#digits} = 36 ] || { echo "error: no password could be made of /dev/urandom (by od and tr)" >&2; exit 1; }
    printf '%s' "$digits"
}
# put NAME TEXT: writes that file. printf is a part of the shell: no text is an argument of a program.
put() {
    printf '%s' "$2" >"$folder/$1.new"
    mv "$folder/$1.new" "$folder/$1"
}
# settings USER PASSWORD CA: of a client of Java.
settings() {
    cat <<END
security.protocol=SASL_SSL
ssl.truststore.type=PEM
ssl.truststore.location=$3
sasl.mechanism=SCRAM-SHA-512
sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username="$1" password="$2";
END
}

if [ -f "$folder/users" ] && [ -f "$folder/bootstrap_user" ]; then
    echo "$folder: kept" >&2
    exit
fi
# One in each line: where one line sets several variables, the shell goes by the last command alone.
admin=$(password)
producer=$(password)
consumer=$(password)
prometheus=$(password)
put admin.properties "$(settings admin "$admin" /tls/ca.pem)"
put host.properties "$(settings admin "$admin" ca.pem)"
put producer.properties "$(settings producer "$producer" /tls/ca.pem)"
put consumer.properties "$(settings consumer "$consumer" /tls/ca.pem)"
put prometheus_password "$prometheus"
put bootstrap_user "admin:$admin"
# Last: the next run makes up for one that was stopped before this.
put users "producer $producer
consumer $consumer
prometheus $prometheus
"
echo "$folder: made" >&2
