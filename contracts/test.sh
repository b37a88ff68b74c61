#!/usr/bin/env bash
# Every check of the contracts: vectors, format, build without warnings, tests, gas. Needs the network once, for packages.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p cache
[ -n "${QUOTH_CONTRACTS_LOCKED:-}" ] || QUOTH_CONTRACTS_LOCKED=1 exec flock cache/.lock ./test.sh "$@"

tools="$(./install.sh)"
forge() {
    "$tools"/forge-linux-*/bin/forge "$@"
}

test/vectors/make.py --check
forge fmt --check
forge build --sizes > cache/sizes # fails above the limits of EIP-170 and EIP-3860, and on warnings of compiler and linter
forge test
./gas.sh
