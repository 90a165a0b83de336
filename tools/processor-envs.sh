#!/usr/bin/env bash
# tools/processor-envs.sh [--short | SUITE...]: makes, once, the environments of the stream processors' suites: all, those of the
# short tests alone, or those named. Each is a folder of the cache with a stamp made of its sources, as in client-envs.sh.
# What cannot be fetched or built stops no other suite: its folder then holds only the reason (`.missing`), by which its tests
# are skipped, and the next call tries again.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
suites=$root/tests/clients/processors
processors=$OTTLA_CACHE/processors

# Suites with a short test, which every run of the clients includes.
short=(flink mirror)
all=(mirror flink flink-1.20 pyflink spark storm)

# sources PATH...: a checksum of these files and folders, for a stamp.
sources() { find "$@" -type f -print0 | LC_ALL=C sort -z | xargs -0 cat | sha256sum; }

# made NAME STAMP COMMAND...: runs COMMAND in the folder NAME unless it was made from STAMP already.
made() {
    local name=$1 stamp=$2 folder=$processors/$1 log making status=0
    shift 2
    fresh "$folder" "$stamp" && return
    say "processors: $name"
    rm -rf "$folder" && mkdir -p "$folder"
    log=$(mktemp)
    # In the background: as a condition, `set -e` would not end COMMAND at its first error.
    (set -e && cd "$folder" && "$@") >"$log" 2>&1 &
    making=$!
    wait "$making" || status=$?
    if [[ $status == 0 ]]; then
        echo "$stamp" >"$folder/.stamp"
    else
        rm -rf "$folder" && mkdir -p "$folder"
        # Maven repeats itself at length: its first error says the most.
        { grep -m1 -E '^\[?(ERROR|error).{9}' "$log" || tail -n 3 "$log"; } | cut -c 1-400 >"$folder/.missing"
        say "processors: $name cannot be made: $(cat "$folder/.missing")"
    fi
    rm -f "$log"
}

# jvm FOLDER [SOURCE...]: the jars that FOLDER/pom.xml names in libs, and classes compiled from these and FOLDER's Java sources, if any.
jvm() {
    maven_jars "$PWD" "$1/pom.xml" -DoutputDirectory=libs
    compgen -G "$1/*.java" >/dev/null || return 0
    javac -nowarn -XDsuppressNotes -cp "libs/*" -d classes "$1"/*.java "${@:2}"
}

# python_env FOLDER: an environment with FOLDER/requirements.txt in venv, and the jars that FOLDER/pom.xml names in libs.
python_env() {
    python3 -m venv venv
    venv/bin/pip --quiet --disable-pip-version-check install -r "$1/requirements.txt"
    maven_jars "$PWD" "$1/pom.xml" -DoutputDirectory=libs
}

# One function a suite. MirrorMaker 2 comes with the worker that it runs on.
mirror() { made mirror-4.3.0 "$(sources "$suites/mirror")" jvm "$suites/mirror"; }
flink_of() {
    local count=$suites/flink/WordCount.java
    made "flink-$1" "$(sources "$count" "$suites/flink/$1")" jvm "$suites/flink/$1" "$count"
}
flink() { flink_of 2.2; }
flink-1.20() { flink_of 1.20; }
pyflink() { made pyflink-2.2 "$(python3 --version) $(sources "$suites/flink/python")" python_env "$suites/flink/python"; }
spark() { made spark-4.2 "$(sources "$suites/spark")" jvm "$suites/spark"; }
storm() { made storm-2.8 "$(sources "$suites/storm")" jvm "$suites/storm"; }

case ${1:-} in
--short) wanted=("${short[@]}") ;;
"") wanted=("${all[@]}") ;;
*) wanted=("$@") ;;
esac
for suite in "${wanted[@]}"; do
    [[ " ${all[*]} " == *" $suite "* ]] || fail "no suite $suite: ${all[*]}"
    "$suite"
done
