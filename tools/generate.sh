#!/usr/bin/env bash
# Rewrites every generated file: each executable in tools/generate.d/ writes its own, from the checkout's root.
# `tools/generate.sh --check` fails if that changed anything (the checkout may have changes of its own).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
state() { git diff --no-ext-diff | sha256sum; }
before=$(state)
for script in "$root"/tools/generate.d/*; do
    [[ -x $script ]] || continue
    say "generate: ${script#"$root"/}"
    "$script"
done
if [[ ${1:-} == --check && $(state) != "$before" ]]; then
    git --no-pager diff --stat
    fail "generated files were out of date: run \`make generate\` and commit them"
fi
