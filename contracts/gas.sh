#!/usr/bin/env bash
# Measures the gas of whole transactions. Fails if a target is missed or a figure is not that of `snapshots/Gas.json`.
# `gas.sh --update` writes the figures instead of comparing them.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p cache
[ -n "${QUOTH_CONTRACTS_LOCKED:-}" ] || QUOTH_CONTRACTS_LOCKED=1 exec flock cache/.lock ./gas.sh "$@"

tools="$(./install.sh)"
check=true
[ "${1:-}" != --update ] || check=false
FOUNDRY_PROFILE=gas "$tools"/forge-linux-*/bin/forge test --match-contract GasTest --gas-snapshot-check "$check"
