#!/usr/bin/env bash
# Builds the enclave for x86-64-v4, simulated platform and all, and prints where it is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
target="${CARGO_TARGET_DIR:-target}/x86-64-v4"
cargo build --quiet --release --locked --config .cargo/x86-64-v4.toml --target-dir "$target" -p quoth-enclave \
  --features simulated >&2
realpath "$target/release/quoth-enclave"
