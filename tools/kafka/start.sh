#!/usr/bin/env bash
# tools/kafka/start.sh FOLDER PORT [KEY=VALUE...]: starts Apache Kafka on an empty FOLDER/data and returns once it answers.
#
# FOLDER/libs holds Kafka's jars. The controller listens on the next port. The process runs in a session of its own:
# the caller ends it by FOLDER/pid. Its log is FOLDER/log. Prints `ready after N ms`.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:?FOLDER} port=${2:?PORT}
shift 2
properties=$folder/server.properties log=$folder/log
seconds=120

rm -rf "$folder/data" "$folder/pid"
sed "s|@PORT@|$port|; s|@CONTROLLER@|$((port + 1))|g; s|@DATA@|$folder/data|" "$here/server.properties" >"$properties"
printf '%s\n' "$@" >>"$properties"
kafka=(java "@$here/jvm.options" -cp "$folder/libs/*")
"${kafka[@]}" kafka.tools.StorageTool format -t AAAAAAAAAAAAAAAAAAAAAA -c "$properties" >"$log" 2>&1 ||
    { cat "$log" >&2; exit 1; }

setsid "${kafka[@]}" kafka.Kafka "$properties" >"$log" 2>&1 </dev/null &
pid=$!
echo "$pid" >"$folder/pid"
# Kafka answers ApiVersions once it serves requests; an open port alone says less.
exec python3 "$here/wait.py" "$pid" "$port" "$seconds" "$log"
