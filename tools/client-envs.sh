#!/usr/bin/env bash
# Makes, once, the environments of the client suites: a Python environment per client version, Kafka's jars, the compiled Java
# and Go drivers, Node's packages. They are kept in the cache. Each part has a stamp made of its sources, so a changed pin rebuilds it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
suites=$root/tests/clients
venvs=$OTTLA_CACHE/venvs
jars=$OTTLA_CACHE/kafka-4.3.0
java_clients=$OTTLA_CACHE/java-clients
streams=$OTTLA_CACHE/kafka-streams-4.3.0
connect=$OTTLA_CACHE/kafka-connect-4.3.0
tools=$OTTLA_CACHE/kafka-tools
go_drivers=$OTTLA_CACHE/go-drivers
node_drivers=$OTTLA_CACHE/node-drivers

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

for requirements in "$suites"/python/requirements/*.txt; do
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
    maven_jars "$jars" "$suites/java/pom.xml" -DoutputDirectory=libs
    echo "$stamp" >"$jars/.stamp"
fi

# A folder per release of the Java client: its jars, and the driver compiled against them. The driver's sources lie in
# folders named after the release that brought their calls: a library gets those that are not younger, the newest last.
java_client() {
    local version=$1 folder=$java_clients/$1 age sources
    stamp="$version $(sha256sum <"$suites/java/driver/pom.xml")"
    if ! fresh "$folder/libs" "$stamp"; then
        say "Java client $version from Maven Central"
        rm -rf "$folder" && mkdir -p "$folder"
        mvn --quiet --batch-mode -f "$suites/java/driver/pom.xml" -Dkafka="$version" dependency:copy-dependencies -DoutputDirectory="$folder/libs" >&2
        echo "$stamp" >"$folder/libs/.stamp"
    fi
    stamp="$stamp $(javac -version) $(cat "$suites"/java/driver/*/*.java | sha256sum)"
    if ! fresh "$folder/classes" "$stamp"; then
        sources=$folder/sources
        rm -rf "$sources" "$folder/classes" && mkdir -p "$sources" "$folder/classes"
        for age in $(cd "$suites/java/driver" && printf '%s\n' */ | tr -d / | sort -V); do
            printf '%s\n' "$age" "$version" | sort -VC || continue
            cp "$suites/java/driver/$age"/*.java "$sources/"
        done
        javac -nowarn -XDsuppressNotes -cp "$folder/libs/*" -d "$folder/classes" "$sources"/*.java
        echo "$stamp" >"$folder/classes/.stamp"
    fi
}
for version in 0.11.0.3 1.1.1 2.8.2 3.9.2 4.3.0 4.4.0; do
    java_client "$version"
done

stamp=$(sha256sum <"$suites/streams/pom.xml")
if ! fresh "$streams" "$stamp"; then
    say "Kafka Streams"
    rm -rf "$streams" && mkdir -p "$streams"
    maven_jars "$streams" "$suites/streams/pom.xml" -DoutputDirectory=libs
    echo "$stamp" >"$streams/.stamp"
fi

stamp=$(cat "$streams/.stamp" "$suites/streams/WordCount.java" | sha256sum)
if ! fresh "$streams/classes" "$stamp"; then
    rm -rf "$streams/classes" && mkdir -p "$streams/classes"
    javac -nowarn -XDsuppressNotes -cp "$streams/libs/*" -d "$streams/classes" "$suites/streams/WordCount.java"
    echo "$stamp" >"$streams/classes/.stamp"
fi

# A worker finds its connectors in plugin.path, apart from what it runs on itself.
stamp=$(sha256sum <"$suites/connect/pom.xml")
if ! fresh "$connect" "$stamp"; then
    say "Kafka Connect"
    rm -rf "$connect" && mkdir -p "$connect"
    maven_jars "$connect" "$suites/connect/pom.xml" -DoutputDirectory=libs -DexcludeArtifactIds=connect-file
    maven_jars "$connect" "$suites/connect/pom.xml" -DoutputDirectory=plugins/connect-file -DincludeArtifactIds=connect-file
    echo "$stamp" >"$connect/.stamp"
fi

# The program that runs Kafka's command-line tools, many in one JVM.
stamp=$(cat "$jars/.stamp" "$suites"/tools/java/*.java | sha256sum)
if ! fresh "$tools" "$stamp"; then
    rm -rf "$tools" && mkdir -p "$tools"
    javac -nowarn -XDsuppressNotes -cp "$jars/libs/*" -d "$tools" "$suites"/tools/java/*.java
    echo "$stamp" >"$tools/.stamp"
fi

# Modules and build cache are Go's own, below the home folder; go.mod and go.sum pin every module.
stamp="$(go version) $(find "$suites/go" -type f | LC_ALL=C sort | xargs cat | sha256sum)"
if ! fresh "$go_drivers" "$stamp"; then
    say "Go drivers"
    rm -rf "$go_drivers" && mkdir -p "$go_drivers"
    (cd "$suites/go" && GOFLAGS="-trimpath -buildvcs=false" go build -o "$go_drivers/" ./... >&2)
    echo "$stamp" >"$go_drivers/.stamp"
fi

# One of the packages is C++ around a librdkafka of its own, whose ready-made builds come from a host that need not be reachable:
# it is built, in minutes, and the drivers are copied beside the packages whenever they change. Linked statically it would
# fetch OpenSSL's sources first.
stamp="$(node --version) $(cat "$suites"/node/package*.json | sha256sum)"
if ! fresh "$node_drivers" "$stamp"; then
    say "Node packages, and librdkafka for one of them"
    rm -rf "$node_drivers" && mkdir -p "$node_drivers"
    cp "$suites"/node/package*.json "$node_drivers/"
    node_home=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
    [[ -f $node_home/include/node/node.h ]] && export npm_config_nodedir=$node_home
    (
        cd "$node_drivers"
        npm ci --silent --no-audit --no-fund --ignore-scripts >&2
        # One job: its makefile does not say that it needs librdkafka's before its own.
        JOBS=1 CKJS_LINKING=dynamic npm_config_build_from_source=true \
            npm rebuild --foreground-scripts @confluentinc/kafka-javascript &>build.log || { tail -n 30 build.log >&2 && false; }
        cd node_modules/@confluentinc/kafka-javascript
        rm -rf deps/librdkafka build/deps/*.a build/Release/obj.target
    )
    echo "$stamp" >"$node_drivers/.stamp"
fi
cp "$suites"/node/*.js "$node_drivers/"
