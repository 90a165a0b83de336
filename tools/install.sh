#!/usr/bin/env bash
# tools/install.sh run|test: installs by apt the packages that this machine lacks for building (run) or testing (test). A package
# is installed only if the thing that it provides is missing. Without root it prints the one line to run and exits with 1.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

missing=()
# needs PACKAGE COMMAND: PACKAGE is missing unless COMMAND succeeds.
needs() {
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || missing+=("$package")
}
has_libclang() { compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' || compgen -G '/usr/lib/*/libclang*.so*' || [[ -n ${LIBCLANG_PATH:-} ]]; }
has_clang_headers() { compgen -G '/usr/lib/llvm-*/lib/clang/*/include/stddef.h' || [[ -n ${LIBCLANG_PATH:-} ]]; }
has_jdk() { have java && have javac; }
# From 1.21 on, go fetches by itself the release that go.mod asks for.
has_go() { have go && [[ $(go env GOVERSION) =~ ^go1\.([0-9]+) ]] && ((BASH_REMATCH[1] >= 21)); }
has_node_headers() { have node && [[ -f $(dirname "$(dirname "$(readlink -f "$(command -v node)")")")/include/node/node.h ]]; }
has_venv() { python3 -c 'import venv, ensurepip'; }

for_building() {
    needs g++ have g++
    needs make have make
    # bindgen reads RocksDB's header through libclang, with clang's own stddef.h.
    needs libclang-dev has_libclang
    needs libclang-dev has_clang_headers
}
for_testing() {
    needs python3 have python3
    needs python3-venv has_venv
    needs default-jdk-headless has_jdk
    needs maven have mvn
    needs kcat have kcat
    needs golang-go has_go
    needs nodejs have node
    needs npm have npm
    # A Node client is built around librdkafka, which reads zlib's and zstd's headers if there are any.
    needs libnode-dev has_node_headers
    needs zlib1g-dev [ -f /usr/include/zlib.h ]
    needs libzstd-dev [ -f /usr/include/zstd.h ]
    needs shellcheck have shellcheck
    # The power-cut test mounts a disk of its own, which only root can.
    [[ $EUID != 0 ]] || needs e2fsprogs have mkfs.ext4
    [[ $EUID != 0 ]] || needs mount have losetup
    # The container test starts its own engine, which only root can.
    [[ $EUID != 0 ]] || needs docker.io have dockerd
    [[ $EUID != 0 ]] || needs docker-compose have docker-compose
    [[ $EUID != 0 ]] || needs iproute2 have ip
    # promtool checks the metrics; the server stands in for the image that compose.yaml names.
    needs prometheus have promtool
}
install() {
    [[ ${#missing[@]} == 0 ]] && return
    local packages
    packages=$(printf '%s\n' "${missing[@]}" | sort -u | tr '\n' ' ')
    local line="apt-get install -y --no-install-recommends ${packages% }"
    have apt-get || fail "missing, and this machine has no apt: $packages"
    if [[ $EUID != 0 ]]; then
        printf 'Missing packages. Run this once, then again what you ran:\n  sudo %s\n' "$line" >&2
        exit 1
    fi
    say "installing by apt: $packages"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2
    # shellcheck disable=SC2086 # the package names are words
    apt-get install -y -qq --no-install-recommends $packages >&2 </dev/null
}

case ${1:-} in
run) for_building ;;
test) for_building && for_testing ;;
*) fail "usage: tools/install.sh run|test" ;;
esac
have cargo || fail "no cargo: install Rust by https://rustup.rs (rust-toolchain.toml names the version)"
install
# Debian 12 has 1.19, which cannot fetch a newer one.
[[ $1 != test ]] || has_go || fail "the Go clients need Go 1.21 or newer, and $(go version) is older: install it by https://go.dev/doc/install"
