#!/usr/bin/env bash
# Installs the npm packages into the cache once, links them here, and prints the folder of forge, cast and anvil's packages.
set -euo pipefail
cd "$(dirname "$0")"

cache="${QUOTH_CACHE:-$HOME/.cache/quoth}"
packages="$cache/contracts-$(sha256sum package-lock.json | cut -c 1-12)"

mkdir -p "$cache"
exec 8> "$cache/.lock-contracts"
flock 8
if [ ! -e "$packages/complete" ]; then
    echo "Installing Foundry, a compiler and libraries (once; a minute)" >&2
    rm -rf "$packages"
    mkdir "$packages"
    cp package.json package-lock.json "$packages"
    npm --prefix "$packages" ci --silent --ignore-scripts --no-audit --no-fund >&2
    touch "$packages/complete"
fi
ln -sfn "$packages/node_modules" node_modules
echo "$packages/node_modules/@foundry-rs"
