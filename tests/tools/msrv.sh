#!/usr/bin/env bash
# tests/tools/msrv.sh: builds the crates that others depend on with the oldest compiler that they promise, and as packages.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
crates=(quoth-attestation quoth-verifier quoth-client)
oldest="$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' attestation/Cargo.toml)"
for manifest in verifier/Cargo.toml verifier/client/Cargo.toml; do
  grep -qx "rust-version = \"$oldest\"" "$manifest" || { echo "$manifest promises another compiler than $oldest" >&2; exit 1; }
done
# Errors and warnings of one compiler do not matter to the other, so each has a folder.
target="${CARGO_TARGET_DIR:-$PWD/target}/msrv"
toolchain="$oldest.0"
rustup toolchain list | grep -q "^$toolchain" || rustup toolchain install "$toolchain" --profile minimal

packages=("${crates[@]/#/--package=}")
check=(cargo "+$toolchain" check --quiet --locked --target-dir "$target")
"${check[@]}" "${packages[@]}"
"${check[@]}" --package=quoth-verifier --no-default-features
"${check[@]}" --package=quoth-verifier --features aws-lc-rs
echo "msrv: ${crates[*]} build with Rust $oldest"

# A package must build without the files around it.
cargo package --quiet --locked --allow-dirty --target-dir "$target" "${packages[@]}"
echo "msrv: their packages build"
