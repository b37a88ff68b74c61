#!/usr/bin/env bash
# tests/evidence/left-out.sh FILE: says how many checks of captured evidence the tests have noted there as left out.
set -euo pipefail
beside="${QUOTH_VECTORS:-$(realpath -m "$(dirname "${BASH_SOURCE[0]}")/../../../shared/vectors")}"
count=0
# Two builds of a test leave out one check.
if [[ -e $1 ]]; then count="$(sort -u "$1" | wc -l)"; fi
if ((count)); then
  echo "$count checks of captured evidence were left out: no vectors at $beside; $1 lists them"
else
  echo "No check of captured evidence was left out"
fi
