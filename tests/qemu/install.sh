#!/usr/bin/env bash
# Makes a QEMU that has AWS's enclaves as a machine, and the one that SEV-SNP's guests have, and the device that carries their
# virtual sockets, and prints the folder of the two programs, which need nothing else: tests/qemu/install
# No Debian QEMU has AWS's enclaves: Debian's source is built again with them, and with nothing else.
set -euo pipefail
here="$(dirname "${BASH_SOURCE[0]}")"
cache="${QUOTH_CACHE:-$HOME/.cache/quoth}"
mirror="${QUOTH_DEBIAN:-http://deb.debian.org/debian}"
# Debian trixie. Mirrors drop what has a successor; the archive of all that ever was is slower.
archive="https://snapshot.debian.org/archive/debian/20261122T000000Z"
inputs=(
  "6a0888e806c2ffc0c5f0733e974f9aea55491950d3c47c98669c8b236dde59ae pool/main/q/qemu/qemu_10.0.13+ds.orig.tar.xz"
  "da73c092f5684c551b0334d675eb16a3dec91e1edea94759cfb1102fa4a0364e pool/main/q/qemu/qemu_10.0.13+ds-0+deb13u1.debian.tar.xz"
  "a0e03c526cc09d4c2ab20aa19a8c12e916cdc49a170acb16a6563c28f70eafd3 pool/main/q/qemu/qemu-system-data_10.0.13+ds-0+deb13u1_all.deb"
  "2b590534250b940f43222eeab9a8f57f337a9d9a73fc412a43ab8cd07a7e56f6 pool/main/s/seabios/seabios_1.16.3-2_all.deb"
)
python=(meson==1.7.2 pycotap==1.3.1 distlib==0.3.9)
# From its crate: Debian has it in sid alone, whose versions come and go.
device=vhost-device-vsock@0.3.0
firmware=(qemu/qboot.rom qemu/linuxboot_dma.bin qemu/pvh.bin qemu/kvmvapic.bin seabios/bios-microvm.bin
  seabios/bios-256k.bin)
packages=(bison ca-certificates curl flex gcc libc6-dev libcbor-dev libfdt-dev libglib2.0-dev libgnutls28-dev make ninja-build
  patch pkg-config python3-venv xz-utils)

recipe="$(cat "${BASH_SOURCE[0]}" "$here/devices.mak" | sha256sum | cut -c1-16)"
programs="$cache/qemu-$recipe"
mkdir -p "$cache"
# Whoever comes second waits and finds everything there.
exec 9>"$cache/.lock-qemu"
flock 9
if [[ -d $programs ]]; then echo "$programs"; exit; fi

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed' || missing+=("$package")
done
if (( ${#missing[@]} )); then
  if (( EUID )); then echo "Please install: apt-get install ${missing[*]}" >&2; exit 2; fi
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
fi

echo "Building QEMU with Nitro enclaves, and its device for virtual sockets (once; about ten minutes)" >&2
work="$cache/.qemu"
# Of one that was killed: the lock is held.
rm -rf "$work"
mkdir "$work"
trap 'rm -rf "$work"' EXIT
quietly() { "$@" >"$work/log" 2>&1 || { tail -40 "$work/log" >&2; exit 1; }; }
for input in "${inputs[@]}"; do
  read -r digest path <<<"$input"
  file="$work/${path##*/}"
  for from in "$mirror" "$archive"; do
    curl --fail --silent --show-error --location --output "$file" "$from/$path" && break
  done
  sha256sum --check --quiet <<<"$digest  $file"
done

# QEMU.
mkdir "$work/source" "$work/build" "$work/data"
tar -xf "$work"/qemu_*.orig.tar.xz -C "$work/source" --strip-components 1
tar -xf "$work"/qemu_*.debian.tar.xz -C "$work"
patch --quiet --directory "$work/source" --strip 1 <"$work/debian/patches/skip-unpack-edk2-blobs.patch"
cp "$here/devices.mak" "$work/source/configs/devices/x86_64-softmmu/quoth.mak"
python3 -m venv "$work/python"
quietly "$work/python/bin/pip" install --disable-pip-version-check "${python[@]}"
cd "$work/build"
quietly ../source/configure --python="$work/python/bin/python3" --target-list=x86_64-softmmu --without-default-features \
  --without-default-devices --with-devices-x86_64=quoth --enable-system --enable-kvm --enable-tcg --enable-libcbor \
  --enable-gnutls --enable-vhost-user --enable-fdt=system --disable-werror --disable-docs --disable-install-blobs \
  --disable-debug-info --disable-relocatable
quietly ninja -j "$(nproc)" qemu-system-x86_64
cd "$OLDPWD"

# Its firmware.
for package in "$work"/*.deb; do dpkg-deb -x "$package" "$work/data"; done

# The device.
quietly cargo install --locked --root "$work/device" --target-dir "$work/target" "$device"

mkdir "$work/done" "$work/done/firmware" "$work/done/libraries"
cp "$work/device/bin/vhost-device-vsock" "$work/done/"
for file in "${firmware[@]}"; do cp "$work/data/usr/share/$file" "$work/done/firmware/"; done
strip -o "$work/done/qemu" "$work/build/qemu-system-x86_64"
# A cache may outlive the packages. Every system has the C library.
ldd "$work/done/qemu" | awk '$3 ~ "^/" && $1 !~ "^lib[cm]\\.so" { print $3 }' | xargs cp -L -t "$work/done/libraries"
cat >"$work/done/qemu-system-x86_64" <<'END'
#!/bin/sh
here="$(dirname "$(readlink -f "$0")")"
LD_LIBRARY_PATH="$here/libraries" exec "$here/qemu" -L "$here/firmware" "$@"
END
chmod +x "$work/done/qemu-system-x86_64"
for machine in nitro-enclave q35; do quietly "$work/done/qemu-system-x86_64" -M "$machine,help"; done
quietly "$work/done/vhost-device-vsock" --version
mv "$work/done" "$programs"
echo "$programs"
