#!/usr/bin/env bash
# Makes, once, what the client suites run in: a Python environment per client version, Kafka's jars, the compiled Java
# driver. All of it lives in the cache; each part has a stamp made of what it was built from, so a changed pin rebuilds it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
suites=$root/tests/clients
venvs=$OTTLA_CACHE/venvs
jars=$OTTLA_CACHE/kafka-4.3.0
classes=$OTTLA_CACHE/java-driver

# fresh FOLDER WHAT: whether FOLDER was made from exactly WHAT.
fresh() { [[ -f $1/.stamp && $(cat "$1/.stamp") == "$2" ]]; }

# The first Python found that can run a client: kafka-python before 2.1 carries a copy of `six` that Python 3.12 cannot import.
python_for() {
    local candidates=(python3 python3.13 python3.12 python3.11 python3.10 python3.9 python3.8) limit=99 python minor
    case $1 in kafka-python-1.* | kafka-python-2.0.*) limit=11 ;; esac
    candidates+=("$HOME"/.pyenv/versions/3.*/bin/python)
    for python in "${candidates[@]}"; do
        minor=$("$python" -c 'import sys, venv; assert sys.version_info[0] == 3; print(sys.version_info[1])' 2>/dev/null) || continue
        if ((minor >= 8 && minor <= limit)); then
            command -v "$python"
            return
        fi
    done
    fail "no Python 3.8 to 3.$limit for $1"
}

for requirements in "$suites"/requirements/*.txt; do
    name=$(basename "$requirements" .txt)
    python=$(python_for "$name")
    stamp="$("$python" --version) $(sha256sum <"$requirements")"
    fresh "$venvs/$name" "$stamp" && continue
    say "Python environment $name ($("$python" --version))"
    rm -rf "${venvs:?}/$name"
    "$python" -m venv "$venvs/$name"
    "$venvs/$name/bin/pip" --quiet --disable-pip-version-check install --only-binary :all: -r "$requirements" >&2
    echo "$stamp" >"$venvs/$name/.stamp"
done

stamp=$(sha256sum <"$suites/java/pom.xml")
if ! fresh "$jars" "$stamp"; then
    say "Kafka's jars from Maven Central"
    rm -rf "$jars" && mkdir -p "$jars"
    cp "$suites/java/pom.xml" "$jars/"
    (cd "$jars" && mvn --quiet --batch-mode dependency:copy-dependencies -DoutputDirectory=libs >&2)
    echo "$stamp" >"$jars/.stamp"
fi

stamp=$(cat "$jars/.stamp" "$suites/drivers/java/Driver.java" | sha256sum)
if ! fresh "$classes" "$stamp"; then
    rm -rf "$classes" && mkdir -p "$classes"
    javac -nowarn -XDsuppressNotes -cp "$jars/libs/*" -d "$classes" "$suites/drivers/java/Driver.java"
    echo "$stamp" >"$classes/.stamp"
fi
