//! Context ids among virtual sockets (vsock(7)).

/// A machine's host.
pub(crate) const HOST: u32 = 2;
/// A Nitro enclave's parent (AWS Nitro Enclaves CLI).
pub(crate) const NITRO_PARENT: u32 = 3;
/// An enclave. The host's ports are fixed, so a machine has one enclave of Quoth's.
pub(crate) const ENCLAVE: u32 = 16;
