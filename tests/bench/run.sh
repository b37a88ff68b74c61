#!/usr/bin/env bash
# Builds what the benches need, in the release profile, and runs them. Options go to quoth-bench.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
parts=chats,serving,replays,receipts,proxied,relay,load,boot,verify
for option in "$@"; do
  if [[ ${previous:-} == --only ]]; then parts="$option"; fi
  previous="$option"
done
# Whether one of these parts is asked for.
asked() {
  local part
  for part in "$@"; do [[ ,$parts, == *,$part,* ]] && return; done
  return 1
}

tools=()
if asked relay boot; then tools+=(socat); fi
if asked load proxied; then tools+=(openssl); fi
if asked proxied; then tools+=(nginx); fi
# Without captured evidence there is nothing to compare with the peers.
verify=
if asked verify && [[ -d ${QUOTH_VECTORS:-../shared/vectors} ]]; then
  verify=1
  tools+=(faketime)
fi
# Debian has some of them where only root looks.
export PATH="$PATH:/usr/sbin"
for tool in "${tools[@]}"; do
  command -v "$tool" >/dev/null || tests/tools/packages.sh "$tool"
done
python="$QUOTH_CACHE/python/bin/python"
programs="${CARGO_TARGET_DIR:-target}/release"
build=(cargo build --quiet --release --locked)
options=()

if asked proxied; then
  # With its symbols, for the profile.
  options+=(--image "$(dirname "$(images/enclave.sh)")/quoth-enclave")
fi
if asked receipts proxied; then
  # A bench-only enclave without receipts, put aside; then the real one takes its name back.
  mkdir -p "$programs/without-receipts"
  RUSTC_WORKSPACE_WRAPPER="$PWD/tests/bench/without-receipts" "${build[@]}" -p quoth-enclave --features simulated
  cp --remove-destination "$programs/quoth-enclave" "$programs/without-receipts/quoth-enclave"
  options+=(--without-receipts "$programs/without-receipts/quoth-enclave")
fi
messages="$("${build[@]}" -p quoth-enclave --features simulated --message-format=json)"
"${build[@]}" -p quoth-host -p quoth-tests -p quoth-fake-provider --bin quoth --bin quoth-bench --bin quoth-fake-provider
if asked replays; then "${build[@]}" -p quoth-verify --features replay; fi

if asked chats serving replays load; then options+=(--model "$("$python" tests/demo/model.py)"); fi
if asked chats serving; then
  llama="$("$python" -c '
import json, sys
for message in map(json.loads, sys.stdin):
    if message["reason"] == "build-script-executed" and "llama-cpp-sys-2" in message["package_id"]:
        print(message["out_dir"])
' <<<"$messages")"
  options+=(--peers "$("$python" tests/bench/peers.py "$llama")")
fi
if asked serving; then
  options+=(--servers "$("$python" tests/bench/servers.py)")
  # Another instruction set is another llama.cpp, in a folder of its own.
  if grep -q avx512_vnni /proc/cpuinfo; then options+=(--wide "$(tests/bench/wide.sh)"); fi
fi
if asked proxied; then options+=(--litellm "$("$python" tests/bench/proxied/litellm.py)"); fi
if [[ $verify ]]; then options+=(--verify-peers "$(tests/bench/verify-peers/build.sh)"); fi
out=(--out BENCHMARKS.md)
for option in "$@"; do
  # A part is no whole page.
  case "$option" in --only | --out) out=() ;; esac
done
machines=()
if asked boot; then
  "${build[@]}" -p quoth-images
  machines=(tests/qemu/run.sh)
fi
exec "${machines[@]}" "$programs/quoth-bench" "${options[@]}" "${out[@]}" "$@"
