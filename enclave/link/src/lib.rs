//! The frames between enclave and host.
