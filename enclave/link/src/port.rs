//! Port numbers: vsock ports, or file names of Unix sockets.

/// Client connections, relayed blind; opened by the host.
pub const CLIENTS: u32 = 443;
/// Model feed; opened by the enclave.
pub const MODEL: u32 = 7002;
/// Journal of receipts; opened by the enclave.
pub const JOURNAL: u32 = 7003;
/// Events, status and commands; opened by the enclave.
pub const EVENTS: u32 = 7004;
/// Metrics; opened by the host.
pub const METRICS: u32 = 7005;
