//! Images in machines that QEMU plays, with the kernel that boots on Nitro and SEV-SNP, and virtual sockets: as AWS's enclaves, with
//! the security module's interface, and as SEV-SNP's machine without SEV-SNP. `just test-boot` builds what this needs and says where
//! it is.
#![allow(clippy::unwrap_used)]

mod hostile;
mod image;
mod nitro;
mod snp;
