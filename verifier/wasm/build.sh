#!/usr/bin/env bash
# verifier/wasm/build.sh OUT: builds the module into OUT, tries it on captured evidence, and prints size and time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
out="${1:?a folder}"
target="${CARGO_TARGET_DIR:-$QUOTH_CACHE/wasm-target}"
tools="$("$QUOTH_CACHE/python/bin/python" tools.py)"
export PATH="$tools:$PATH"
rustup target list --installed 2>/dev/null | grep -qx wasm32-unknown-unknown || rustup target add wasm32-unknown-unknown
rustup component list --installed 2>/dev/null | grep -qx rust-src || rustup component add rust-src

# Core and alloc are built along, for size: a panic just stops, without the words that nobody would read. The pinned compiler
# knows all this and calls it unstable, so RUSTC_BOOTSTRAP has it listen. SHA-2 comes in its short form: verdicts take their
# time for curves, not for digests.
small=(-Zunstable-options -Cpanic=immediate-abort -Zlocation-detail=none -Zfmt-debug=none
  --cfg 'sha2_backend="soft"' --cfg 'sha2_backend_soft="compact"')
RUSTC_BOOTSTRAP=1 CARGO_ENCODED_RUSTFLAGS="$(IFS=$'\x1f'; echo "${small[*]}")" CARGO_TARGET_DIR="$target" \
  cargo build --quiet --locked --release --target wasm32-unknown-unknown \
  -Zbuild-std=core,alloc -Zbuild-std-features=optimize_for_size
mkdir -p "$out"
features=(--enable-bulk-memory --enable-sign-ext --enable-nontrapping-float-to-int --enable-mutable-globals)
wasm-opt -Oz --converge --strip-producers --strip-target-features "${features[@]}" "$target/wasm32-unknown-unknown/release/quoth_verifier_wasm.wasm" -o "$out/quoth-verifier.wasm"
cp quoth-verifier.js "$out/"

echo "wasm: $(wc -c <"$out/quoth-verifier.wasm") bytes, $(gzip -9 -c "$out/quoth-verifier.wasm" | wc -c) gzipped"
node test.mjs "$out/quoth-verifier.wasm" "$(../../tests/evidence/find.py)"
