#!/usr/bin/env bash
# Installs those of Debian's packages that are missing, as root or by sudo: tests/tools/packages.sh socat nginx
set -euo pipefail
missing=()
for package in "$@"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed' || missing+=("$package")
done
if ((!${#missing[@]})); then exit; fi
as_root=()
if ((EUID)); then as_root=(sudo); fi
command -v apt-get "${as_root[@]}" >/dev/null || { echo "Please install: ${missing[*]}" >&2; exit 2; }
echo "Installing ${missing[*]}" >&2
"${as_root[@]}" apt-get update -qq >&2
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
