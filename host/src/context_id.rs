//! Context ids among virtual sockets (vsock(7)).

/// The host of a machine.
pub(crate) const HOST: u32 = 2;
/// The parent of a Nitro enclave (AWS Nitro Enclaves CLI).
pub(crate) const NITRO_PARENT: u32 = 3;
/// The enclave. The host's ports are fixed, so a machine runs only one enclave of Quoth.
pub(crate) const ENCLAVE: u32 = 16;
