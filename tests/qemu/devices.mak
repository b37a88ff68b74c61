CONFIG_ISA_BUS=y
CONFIG_VHOST_USER_VSOCK=y
CONFIG_VIRTIO_SERIAL=y
CONFIG_VIRTIO_RNG=y
CONFIG_VIRTIO_NET=y

# AWS's enclaves.
CONFIG_MICROVM=y
CONFIG_NITRO_ENCLAVE=y
CONFIG_VIRTIO_NSM=y
# By which a kernel ends its machine (reboot=k).
CONFIG_PCKBD=y

# The machine that AMD SEV-SNP's guests have.
CONFIG_Q35=y
CONFIG_VIRTIO_PCI=y
# Only to read what such guests are launched with.
CONFIG_SEV=y
