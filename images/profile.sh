#!/usr/bin/env bash
# Has the program of images do what nodes do, counts what of it runs how often, and keeps the counts in
# images/enclave.profdata, by which images/enclave.sh builds: images/profile.sh
# A change of the source that was not counted only costs speed. Call it when `just bench --only proxied` shows that it does.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target="${CARGO_TARGET_DIR:-target}"
mkdir -p "$target"
target="$(cd "$target" && pwd)"
counts="$target/counts"
rm -rf "$counts"
program="$(images/enclave.sh "$counts")"
cargo build --quiet --release --locked -p quoth-host -p quoth-tests -p quoth-fake-provider --bin quoth --bin quoth-bench --bin quoth-fake-provider
"$target/release/quoth-bench" --exercise "$program"
rustup component list --installed 2>/dev/null | grep -q '^llvm-tools' || rustup component add llvm-tools
"$(rustc --print target-libdir)/../bin/llvm-profdata" merge --sparse "$counts" -o images/enclave.profdata
ls -l images/enclave.profdata
