#!/usr/bin/env bash
# Builds the program of images, linked statically, and prints where it is: images/enclave.sh
# Its bytes follow from the source, the lock file and the compilers alone: no path of this machine is in them. What runs
# often is laid out for it by images/enclave.profdata. With a folder, `images/enclave.sh DIR`, it is a program for
# images/profile.sh instead, which counts there what runs how often.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target="${CARGO_TARGET_DIR:-target}"
mkdir -p "$target"
target="$(cd "$target" && pwd)"
registry="${CARGO_HOME:-$HOME/.cargo}"
machine=x86_64-unknown-linux-gnu
# The last one that fits is taken.
prefixes=("$registry=/cargo" "$PWD=/quoth" "$target=/target")
if [[ ${1:-} ]]; then
  profile=("-Cprofile-generate=$1" --cfg quoth_counts)
else
  export RUSTC_WRAPPER="$PWD/images/rustc.sh" QUOTH_PROFILE="$PWD/images/enclave.profdata"
  # By its digest Cargo sees when to build again. Functions that were changed since are not worth a warning each.
  profile=(--cfg "profile=\"$(sha256sum images/enclave.profdata | cut -c1-16)\"" -Cllvm-args=-no-pgo-warn-mismatch)
fi
flags=("${profile[@]}" -Ctarget-cpu=x86-64-v3 -Ctarget-feature=+crt-static "${prefixes[@]/#/--remap-path-prefix=}")
maps="${prefixes[*]/#/-ffile-prefix-map=}"
CARGO_ENCODED_RUSTFLAGS="$(IFS=$'\x1f'; echo "${flags[*]}")"
export CARGO_ENCODED_RUSTFLAGS CFLAGS="$maps" CXXFLAGS="$maps" SOURCE_DATE_EPOCH=0 CARGO_INCREMENTAL=0
cargo build --quiet --release --locked --target "$machine" -p quoth-enclave --features nitro,sev-snp,static >&2
program="$target/$machine/release/quoth-enclave-image${1:+-counts}"
strip -o "$program" "$target/$machine/release/quoth-enclave"
echo "$program"
