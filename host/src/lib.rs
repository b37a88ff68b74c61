//! The untrusted shim beside the enclave.
