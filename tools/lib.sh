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
with_faults=(--release --locked --features "ottla/fault,ottla-storage/fault")

# Progress goes to stderr: `make -s binary` prints nothing but a path on stdout.
say() { printf '== %s\n' "$*" >&2; }
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# Cargo can't tell two checkouts in one cache apart: it compares times only. So only one of them uses the cache at a time, as
# often as it likes, and its files get the times at which the cache saw their contents (stamp.py). Held until the script ends.
own_cache() {
    [[ -z ${OTTLA_CACHE_OWNED:-} ]] || return 0
    local owner=$CARGO_TARGET_DIR/.ottla-owner
    mkdir -p "$CARGO_TARGET_DIR"
    exec {cache_lock}>>"$CARGO_TARGET_DIR/.ottla-lock"
    until flock --shared "$cache_lock" && [[ -f $owner && $(<"$owner") == "$root" ]]; do
        flock --nonblock "$cache_lock" || {
            say "waiting until $(cat "$owner" 2>/dev/null) is done with $CARGO_TARGET_DIR; OTTLA_CACHE names another folder"
            flock "$cache_lock"
        }
        printf '%s\n' "$root" >"$owner"
    done
    [[ ! -e $root/.git ]] || flock "$CARGO_TARGET_DIR/.ottla-stamping" "$root/tools/stamp.py" "$CARGO_TARGET_DIR/.ottla-sources"
    export OTTLA_CACHE_OWNED=yes
}

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

# begin NAME COMMAND...: starts a command in the background, in a process group of its own, which ends at the latest with the script.
# finish NAME: waits for it, shows what it wrote, and returns its status.
declare -A begun=()
begin() {
    local log
    log=$(mktemp)
    setsid "${@:2}" >"$log" 2>&1 &
    begun[$1]="$! $log"
    trap end_begun EXIT
}
finish() {
    local job log status=0
    read -r job log <<<"${begun[$1]}"
    wait "$job" || status=$?
    cat "$log" >&2
    rm "$log"
    unset "begun[$1]"
    return "$status"
}
# shellcheck disable=SC2317 # reached through the trap
end_begun() {
    local name job log
    for name in "${!begun[@]}"; do
        read -r job log <<<"${begun[$name]}"
        kill -- -"$job" 2>/dev/null || true
        rm -f "$log"
    done
}

# stage NAME COMMAND...: runs a stage, notes how long it took, and keeps what its log says of a failure.
failed=() summary=() failures=()
stage() {
    local name=$1 started=$SECONDS status=0 log copy wait
    shift
    say "$name"
    log=$(mktemp)
    # Not a pipe: a stage may set variables of this shell.
    exec {copy}> >(exec tee "$log" >&2)
    local tee=$!
    OTTLA_STAGE=$name "$@" >&"$copy" 2>&1 {copy}>&- || status=$?
    exec {copy}>&-
    # Not for long: a process that the stage left behind may hold the other end.
    for ((wait = 0; wait < 50; wait++)); do
        kill -0 "$tee" 2>/dev/null || break
        sleep 0.1
    done
    local line
    line=$(printf '%-12s %s in %d s' "$name" "$([[ $status == 0 ]] && echo ok || echo "FAILED ($status)")" $((SECONDS - started)))
    summary+=("$line")
    if [[ $status != 0 ]]; then
        failed+=("$name")
        failures+=("$name"$'\n'"$(awk -f "$root/tools/failures.awk" "$log")")
    fi
    rm "$log"
}
# Prints what `stage` noted; the script's exit code is its own. What failed is said last, by the outermost script.
conclude() {
    printf '\n' >&2
    printf '   %s\n' "${summary[@]}" >&2
    [[ ${#failed[@]} != 0 ]] || return 0
    [[ -n ${OTTLA_STAGE:-} ]] || printf '\n== what failed in %s\n' "${failures[@]}" >&2
    fail "failed: ${failed[*]}"
}

own_cache
