#!/usr/bin/env bash
# The compiler as images/enclave.sh has it: with the profile, for the program and not for what runs while it is built. Among Cargo's
# own flags the file's path would become part of names in the program, and its bytes another in each folder.
set -euo pipefail
rustc="$1"
shift
[[ " $* " == *" --target "* ]] && set -- "$@" "-Cprofile-use=$QUOTH_PROFILE"
exec "$rustc" "$@"
