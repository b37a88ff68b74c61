#!/usr/bin/env bash
# Builds verify-peers into the cache, once by the hash of all that goes into it, and prints the program's path.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
recipe="$({ cat build.sh Cargo.toml Cargo.lock main.rs; rustc --version --verbose; } | sha256sum)"
folder="$QUOTH_CACHE/peers/${recipe:0:16}"
if [[ ! -x $folder/verify-peers ]]; then
  echo "Building verify-peers (once)" >&2
  mkdir -p "$folder"
  work="$(mktemp -d "$folder/XXXXXX")"
  trap 'rm -rf "$work"' EXIT
  cargo build --quiet --release --locked --target-dir "$work"
  mv "$work/release/verify-peers" "$folder"
fi
echo "$folder/verify-peers"
