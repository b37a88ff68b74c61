#!/usr/bin/env bash
# Builds the images of one configuration, for Nitro and for SEV-SNP, twice, from copies of what is committed, in different folders, at different times, in
# different locales and with different rights, and compares every byte: images/reproduce.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# What building a kernel needs.
tests/tools/packages.sh bc bison curl flex libelf-dev make patch xz-utils
commit="$(git rev-parse HEAD)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cat >"$work/config.toml" <<'END'
version = 1
platform = "nitro"
tls_names = ["localhost"]

[[upstream]]
name = "openai"
host = "api.openai.com"
api = "openai"
models = ["gpt-*"]
END
sed 's/"nitro"/"sev-snp"/' "$work/config.toml" >"$work/config-snp.toml"

# build FOLDER: the images in FOLDER/image and FOLDER/snp, by the source in FOLDER/source.
build() {
  mkdir -p "$1/source"
  git archive "$commit" | tar -x -C "$1/source"
  export CARGO_TARGET_DIR="$1/target"
  local enclave kernel
  enclave="$("$1/source/images/enclave.sh")"
  (cd "$1/source" && cargo build --quiet --locked -p quoth-images)
  # The kernel is built again, too: only what was fetched is shared.
  mkdir -p "$1/cache" "$shared/inputs"
  ln -s "$shared/inputs" "$1/cache/inputs"
  kernel="$(QUOTH_CACHE="$1/cache" "$1/target/debug/quoth-images" kernel)"
  "$1/target/debug/quoth-images" build nitro --config "$work/config.toml" --enclave "$enclave" --kernel "$kernel" --out "$1/image" >/dev/null
  QUOTH_CACHE="$1/cache" "$1/target/debug/quoth-images" build snp --config "$work/config-snp.toml" --enclave "$enclave" --kernel "$kernel" \
    --out "$1/snp" >/dev/null
  cp "$enclave" "$1/image/enclave"
  cp "$kernel" "$1/image/kernel"
  # What it was built with takes gigabytes.
  rm -rf "$1/target" "$1/source" "$1/cache"
}
shared="${QUOTH_CACHE:-$HOME/.cache/quoth}"

(umask 022; TZ=UTC LANG=C.UTF-8; export TZ LANG; build "$work/one")
(umask 077; TZ=Pacific/Auckland LANG=tr_TR.UTF-8; export TZ LANG; build "$work/a-much/longer/path/two")
for file in image/{enclave,kernel,image.eif,measurements.toml} snp/{initramfs.cpio,firmware.fd,command-line,guest-policy,launch,measurements.toml}; do
  cmp "$work/one/$file" "$work/a-much/longer/path/two/$file"
  sha256sum "$work/one/$file" | sed "s#  .*#  $file#"
done
echo "Two builds, the same bytes."
