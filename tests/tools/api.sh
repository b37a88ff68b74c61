#!/usr/bin/env bash
# tests/tools/api.sh [--check]: lists what the crates for others offer, in docs/api. With --check it only compares.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export PATH="$QUOTH_CACHE/tools/bin:$PATH"
target="${CARGO_TARGET_DIR:-$PWD/target}/api"
out="$(mktemp -d)"
trap 'rm -rf "$out"' EXIT
for crate in quoth-attestation quoth-verifier quoth-client; do
  # rustdoc's JSON is called unstable, so RUSTC_BOOTSTRAP has the pinned compiler write it.
  RUSTC_BOOTSTRAP=1 cargo rustdoc --quiet --locked --package "$crate" --all-features --lib --target-dir "$target" -- \
    -Z unstable-options --output-format json --cap-lints allow
  cargo public-api --rustdoc-json "$target/doc/${crate//-/_}.json" -sss >"$out/$crate.txt"
done
if [[ ${1:-} == --check ]]; then
  diff -ru docs/api "$out" || { echo "the API has changed: look at it, then run ./just api" >&2; exit 1; }
else
  mkdir -p docs/api
  cp "$out"/*.txt docs/api/
fi
