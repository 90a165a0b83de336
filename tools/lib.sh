# shellcheck shell=bash
# Sourced by every script here: the checkout's root, the cache outside of it, and how a script speaks.
# Everything that is slow to make (RocksDB, Python environments, jars, tools) is kept in the cache and outlives a checkout.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export OTTLA_CACHE=${OTTLA_CACHE:-$HOME/.cache/ottla}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$OTTLA_CACHE/target}
cd "$root" || exit 1

# Builds with faults select the whole workspace, as all others do: cargo then gives every dependency the same features, and
# compiles no crate a second time except those that the feature changes.
# shellcheck disable=SC2034 # for scripts that source this
with_faults=(--release --locked --features "ottla-broker/fault,ottla-storage/fault")

# Progress goes to stderr: `make -s binary` prints nothing but a path on stdout.
say() { printf '== %s\n' "$*" >&2; }
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# Says once, before the first build, why it will take long. Every later build finds the compiled RocksDB in the cache.
announce_rocksdb() {
    ! compgen -G "$CARGO_TARGET_DIR/release/build/librocksdb-sys-*/out/librocksdb.a" >/dev/null || return 0
    [[ -z ${OTTLA_ANNOUNCED:-} ]] || return 0
    export OTTLA_ANNOUNCED=yes
    say "RocksDB is compiled now, once, into $CARGO_TARGET_DIR: about 20 minutes on 2 cores"
}

# fresh FOLDER WHAT: true if FOLDER was made from exactly WHAT.
fresh() { [[ -f $1/.stamp && $(cat "$1/.stamp") == "$2" ]]; }

# maven_jars FOLDER POM [OPTION...]: the jars that POM names, and theirs, in FOLDER.
maven_jars() {
    local folder=$1 pom=$2
    shift 2
    cp "$pom" "$folder/pom.xml"
    (cd "$folder" && mvn --quiet --batch-mode dependency:copy-dependencies "$@" >&2)
}

# run NAME COMMAND...: runs a stage, notes how long it took, remembers it if it failed.
failed=() summary=()
stage() {
    local name=$1 started=$SECONDS status=0
    shift
    say "$name"
    "$@" || status=$?
    local line
    line=$(printf '%-12s %s in %d s' "$name" "$([[ $status == 0 ]] && echo ok || echo "FAILED ($status)")" $((SECONDS - started)))
    summary+=("$line")
    [[ $status == 0 ]] || failed+=("$name")
}
# Prints what `stage` noted; the script's exit code is its own.
conclude() {
    printf '\n' >&2
    printf '   %s\n' "${summary[@]}" >&2
    [[ ${#failed[@]} == 0 ]] || fail "failed: ${failed[*]}"
}
