#!/usr/bin/env bash
# Installs a cargo tool of a known version into the cache: tests/tools/install.sh cargo-deny
# A cargo-nextest that is already there is good enough: only its summary is used.
set -euo pipefail
tool="${1:?name of a tool}"
case "$tool" in
  cargo-nextest) version=0.9.143; if command -v cargo-nextest >/dev/null; then exit 0; fi ;;
  cargo-deny) version=0.20.2 ;;
  cargo-fuzz) version=0.13.2 ;;
  cargo-mutants) version=27.1.0 ;;
  cargo-public-api) version=0.52.0 ;;
  *) echo "unknown tool $tool" >&2; exit 2 ;;
esac
root="$QUOTH_CACHE/tools"
stamp="$root/$tool-$version"
if [[ ! -e $stamp || ! -x $root/bin/$tool ]]; then
  echo "Installing $tool $version (once; a few minutes)" >&2
  # Unoptimised: these tools wait for others most of the time, and this builds in half the time.
  env -u CARGO_TARGET_DIR cargo install --quiet --locked --debug --force --root "$root" "$tool@$version"
  touch "$stamp"
fi
