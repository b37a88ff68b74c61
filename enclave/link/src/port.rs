//! The ports of the link.

use std::fmt;

/// A port of the link. It says what a stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Port(u32);

impl Port {
    /// TLS of clients, opened by the host.
    pub const CLIENTS: Self = Self(443);
    /// Egress to closed providers, opened by the enclave.
    pub const EGRESS: Self = Self(7001);
    /// The model feed, opened by the enclave.
    pub const MODEL: Self = Self(7002);
    /// The journal, opened by the enclave.
    pub const JOURNAL: Self = Self(7003);
    /// Events and commands, opened by the enclave.
    pub const EVENTS: Self = Self(7004);
    /// Metrics, opened by the host.
    pub const METRICS: Self = Self(7005);
    /// Endorsements of reports, opened by the enclave.
    pub const ENDORSEMENTS: Self = Self(7006);
    /// The heartbeat: a Nitro enclave reports here that it has started (AWS Nitro Enclaves CLI). Opened by the enclave.
    pub const HEARTBEAT: Self = Self(9000);

    /// Returns the port's number.
    pub fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "port {}", self.0)
    }
}
