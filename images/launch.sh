#!/bin/sh
# Launches this image as a machine of AMD SEV-SNP. It needs QEMU 9.1 or newer, a host whose kernel and firmware do SEV-SNP, and
# vhost-vsock. `quoth up --platform snp` calls it, and says by these variables what else there is to say:
#   QUOTH_MEMORY  MiB                                   QUOTH_CPUS  processors, as measured
#   QUOTH_CPU     their type, as measured               QUOTH_CID   the machine's context id among virtual sockets
#   QUOTH_SMT     on: threads of one core may run different machines; policies refuse that unless they say otherwise
# What else QEMU should be told comes as arguments. With QUOTH_SNP=off the same machine runs without SEV-SNP (QUOTH_KVM=on: by KVM),
# and its virtual sockets go to vhost-device-vsock by the character device QUOTH_VSOCK.
set -eu
here="$(cd "$(dirname "$0")" && pwd)"
memory="${QUOTH_MEMORY:-2048}"
set -- -nodefaults -nographic -no-reboot -serial stdio -m "$memory" -smp "${QUOTH_CPUS:-2}" \
  -object "memory-backend-memfd,id=memory,size=${memory}M,share=on" \
  -kernel "$here/kernel" -initrd "$here/initramfs.cpio" -append "$(cat "$here/command-line")" "$@"
if [ "${QUOTH_SNP:-on}" = off ]; then
  if [ "${QUOTH_KVM:-off}" = on ]; then set -- -accel kvm -cpu host "$@"; else set -- -accel tcg -cpu max "$@"; fi
  set -- -machine q35,memory-backend=memory -chardev "$QUOTH_VSOCK" -device vhost-user-vsock-pci,chardev=vsock "$@"
else
  # What the image was built to ask for; bit 16 allows threads of one core besides (AMD 56860, table "Guest Policy").
  policy="$(cat "$here/guest-policy")"
  if [ "${QUOTH_SMT:-off}" = on ]; then policy="$(printf '%#x' $((policy | 0x10000)))"; fi
  set -- -machine q35,confidential-guest-support=snp,memory-backend=memory -accel kvm -cpu "${QUOTH_CPU:-EPYC-v4}" \
    -object "sev-snp-guest,id=snp,policy=$policy,cbitpos=51,reduced-phys-bits=1,kernel-hashes=on" -bios "$here/firmware.fd" \
    -device "vhost-vsock-pci,guest-cid=${QUOTH_CID:-16},disable-legacy=on,iommu_platform=on" "$@"
fi
exec qemu-system-x86_64 "$@"
