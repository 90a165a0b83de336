#!/usr/bin/env bash
# `cargo deny check`, by a pinned cargo-deny that is built once into the cache.
# The advisory database is a git repository on GitHub: where that cannot be reached, the other checks run and this says so.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
version=0.20.2
tools=$OTTLA_CACHE/tools
export PATH=$tools/bin:$PATH

installed() { [[ $(cargo deny --version 2>/dev/null) == "cargo-deny $version" ]]; }
if ! installed; then
    say "building cargo-deny $version (once, into $tools)"
    # Out of the checkout, so that its toolchain file and target folder stay out of this build; not optimised, as it runs for seconds.
    (
        cd "$OTTLA_CACHE"
        export CARGO_TARGET_DIR=$OTTLA_CACHE/deny-target CARGO_PROFILE_DEV_DEBUG=0
        cargo install cargo-deny --version "$version" --locked --quiet --debug --root "$tools"
    )
    rm -rf "$OTTLA_CACHE/deny-target"
fi

checks=(bans licenses sources)
if timeout 20 git ls-remote --quiet https://github.com/rustsec/advisory-db HEAD >/dev/null 2>&1; then
    checks+=(advisories)
else
    say "the RustSec advisory database cannot be reached: advisories were NOT checked"
fi
cargo deny --log-level error check "${checks[@]}"
