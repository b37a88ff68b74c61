#!/usr/bin/env bash
# tests/fuzz/run.sh SECONDS [TARGET...]: runs every target, or those named, and says how many inputs each has tried.
# New inputs are kept in QUOTH_CACHE/fuzz/TARGET between runs; corpus/TARGET holds the small committed seeds, if there are any.
# A new target is a file in targets/ and its [[bin]] in Cargo.toml.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
seconds="$1"; shift
export QUOTH_CACHE="${QUOTH_CACHE:-$HOME/.cache/quoth}"
if ! rustup run nightly rustc --version >/dev/null 2>&1; then
  echo "Installing a nightly toolchain, which fuzzing needs" >&2
  rustup toolchain install nightly --profile minimal >&2
fi
../tools/install.sh cargo-fuzz
export PATH="$QUOTH_CACHE/tools/bin:$PATH"
target_dir="${CARGO_TARGET_DIR:-$QUOTH_CACHE/fuzz-target}"
# Captured evidence is not ours to commit.
./seeds.py "$(../evidence/find.py)" "$QUOTH_CACHE/fuzz"
(($#)) || set -- $(cd targets && printf '%s\n' *.rs | sed 's/\.rs$//')
total=0 broken=()
for target in "$@"; do
  found="$QUOTH_CACHE/fuzz/$target"
  mkdir -p "$found" "corpus/$target"
  log="$found.log"
  printf '%-14s ' "$target"
  status=0
  cargo +nightly fuzz run --fuzz-dir . --target-dir "$target_dir" "$target" "$found" "corpus/$target" -- \
    -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 >"$log" 2>&1 || status=$?
  inputs="$(awk '/number_of_executed_units/ {n=$2} END {print n + 0}' "$log")"
  total=$((total + inputs))
  if ((status == 0)); then
    echo "$inputs inputs, $(awk '/average_exec_per_sec/ {print $2}' "$log") a second, none broke it"
  else
    # The other targets still run.
    broken+=("$target")
    echo "$inputs inputs, BROKEN, see $log"
    tail -20 "$log" >&2
  fi
done
printf '%-14s %s inputs\n' total "$total"
if ((${#broken[@]})); then echo "broken: ${broken[*]}" >&2; exit 1; fi
