#!/usr/bin/env bash
# Runs a command that boots images in QEMU: tests/qemu/run.sh COMMAND... One machine at a time is best: each emulates its processors
# on those that there are.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
qemu="$(tests/qemu/install.sh)"
# What building a kernel needs beside that, and a test that looks for processes.
tests/tools/packages.sh bc bison curl flex libelf-dev make patch procps xz-utils
QUOTH_BOOT="$(images/enclave.sh)"
for profile in debug release; do
  images="${CARGO_TARGET_DIR:-target}/$profile/quoth-images"
  if [[ -x $images ]]; then "$images" kernel >/dev/null; break; fi
done
# AMD's format by other people: what launch digests are compared with.
QUOTH_SNP_MEASURE="${QUOTH_CACHE:-$HOME/.cache/quoth}/sev-snp-measure-0.0.13/bin/python"
if [[ ! -x $QUOTH_SNP_MEASURE ]]; then
  environment="${QUOTH_SNP_MEASURE%/bin/python}"
  python3 -m venv "$environment.new"
  "$environment.new/bin/python" -m pip install --quiet --disable-pip-version-check "sev-snp-measure==0.0.13" "cryptography==46.0.3"
  mv "$environment.new" "$environment"
fi
# The emulation is the same everywhere; not every KVM runs every kernel.
export QUOTH_BOOT QUOTH_SNP_MEASURE QUOTH_NO_KVM=1 PATH="$qemu:$PATH"
exec "$@"
