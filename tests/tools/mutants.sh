#!/usr/bin/env bash
# tests/tools/mutants.sh [OPTION...] [FILE or FOLDER...]: changes the sources and lists the changes that no test notices.
# Each file is tried with the tests of its package; what they miss of enclave and host is tried again, end to end.
# Without files: all of the verifier, and the enclave's and host's files that decide what is signed, kept and let in.
# Options, such as `--list`, `--jobs 2` or `--shard 0/8`, go to cargo-mutants.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
root="${CARGO_TARGET_DIR:-$PWD/target}/mutants"
QUOTH_VECTORS="$(tests/evidence/find.py)"
export QUOTH_VECTORS
mutants="$QUOTH_CACHE/tools/bin/cargo-mutants"

options=() shard=() verifier=() enclave=() host=()
while (($#)); do
  argument="$1"; shift
  file="${argument#./}"
  [[ -d $file ]] && file="${file%/}/**"
  case "$file" in
    verifier/src/*) verifier+=("--file=$file") ;;
    enclave/src/*) enclave+=("--file=$file") ;;
    host/src/*) host+=("--file=$file") ;;
    *.rs | */\*\*) echo "no package's mutants are tried for $argument: verifier, enclave and host are" >&2; exit 2 ;;
    --shard=*) shard=("$argument") ;;
    --shard) shard=("--shard=$1"); shift ;;
    *) options+=("$argument") ;;
  esac
done
if ((${#verifier[@]} + ${#enclave[@]} + ${#host[@]} == 0)); then
  verifier=("--file=verifier/src/**")
  for part in exchange callers secrets journal upstream; do
    enclave+=("--file=enclave/src/$part.rs" "--file=enclave/src/$part/**")
  done
  for part in journal relay; do host+=("--file=host/src/$part.rs" "--file=host/src/$part/**"); done
fi

worst=0
# try NAME CARGO-MUTANTS-ARGUMENT... -- CARGO-TEST-ARGUMENT...
try() {
  local name="$1" status=0; shift
  mkdir -p "$root/$name"
  # The copies' builds share a folder, so that dependencies are built once.
  CARGO_TARGET_DIR="$root/build" "$mutants" mutants --output "$root/$name" "${options[@]}" "$@" || status=$?
  # 2: missed, 3: timed out; anything else is not about the mutants.
  case "$status" in 0) ;; 2 | 3) worst=2 ;; *) exit "$status" ;; esac
}

# again NAME ARGUMENT...: tries what NAME missed, end to end.
again() {
  local name="$1" missed="$root/$1/mutants.out/missed.txt"; shift
  # A list runs nothing, so that what lies there is of an earlier run.
  [[ -s $missed && " ${options[*]} " != *" --list "* ]] || return 0
  local names=() name_of
  while IFS= read -r name_of; do names+=("--re=^$(sed 's/[][\.*^$+?(){}|]/\\&/g' <<<"$name_of")\$"); done <"$missed"
  echo "What the package's tests missed, end to end:"
  worst=0
  # The feature is one of a package that is built for the tests alone.
  try "$name-end-to-end" "$@" "${names[@]}" --test-package quoth-enclave,quoth-host,quoth-tests \
    -- --features quoth-enclave/simulated --test program --test journal --test upstream --test callers --test crashes --test hostile_clients --test hostile_host --test proof
}

if ((${#verifier[@]})); then
  try verifier --package quoth-verifier --features aws-lc-rs "${shard[@]}" "${verifier[@]}" -- --tests
fi
missed=$worst
if ((${#enclave[@]})); then
  worst=0
  try enclave --package quoth-enclave --features simulated "${shard[@]}" "${enclave[@]}" -- --lib
  again enclave --package quoth-enclave "${enclave[@]}"
  missed=$((missed > worst ? missed : worst))
fi
if ((${#host[@]})); then
  worst=0
  try host --package quoth-host "${shard[@]}" "${host[@]}" -- --lib --test journal --test relay
  again host --package quoth-host "${host[@]}"
  missed=$((missed > worst ? missed : worst))
fi
exit "$missed"
