#!/usr/bin/env bash
# Runs the static analyser Slither over `src/`. Fails on any finding that the list below does not justify.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p cache
[ -n "${QUOTH_CONTRACTS_LOCKED:-}" ] || QUOTH_CONTRACTS_LOCKED=1 exec flock cache/.lock ./analyse.sh "$@"

tools="$(./install.sh)"
python="${QUOTH_CACHE:-$HOME/.cache/quoth}/slither-$(sha256sum requirements.txt | cut -c 1-12)"
if [ ! -e "$python/complete" ]; then
    echo "Installing Slither (once; half a minute)" >&2
    python3 -m venv --clear "$python"
    "$python/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement requirements.txt
    touch "$python/complete"
fi

excluded=(
    timestamp          # the ledger's rules are about the block's time
    assembly           # hashing, packed reads and copies of memory
    naming-convention  # immutables are in upper case, as constants
    too-many-digits    # a prefix of bytes
    unused-return      # members of a tuple that are left out
    calls-loop         # the deployer's constructor, over its own argument
)
export FOUNDRY_OUT=cache/slither/out FOUNDRY_CACHE_PATH=cache/slither/cache
PATH="$(echo "$tools"/forge-linux-*/bin):$PATH" "$python/bin/slither" . \
    --filter-paths node_modules --exclude-dependencies --exclude "$(IFS=,; echo "${excluded[*]}")" --fail-pedantic
