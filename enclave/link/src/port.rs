//! The ports of the link.

use std::fmt;

/// A port of the link: what a stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Port(u32);

impl Port {
    /// Clients' TLS, host to enclave.
    pub const CLIENTS: Self = Self(443);
    /// Egress to closed providers, enclave to host.
    pub const EGRESS: Self = Self(7001);
    /// The model feed, enclave to host.
    pub const MODEL: Self = Self(7002);
    /// The journal, enclave to host.
    pub const JOURNAL: Self = Self(7003);
    /// Events and commands, enclave to host.
    pub const EVENTS: Self = Self(7004);
    /// Metrics, host to enclave.
    pub const METRICS: Self = Self(7005);
    /// Endorsements of reports, enclave to host.
    pub const ENDORSEMENTS: Self = Self(7006);
    /// Where a Nitro enclave says that it has come up (AWS Nitro Enclaves CLI, "heartbeat"), enclave to host.
    pub const HEARTBEAT: Self = Self(9000);

    /// The number.
    pub fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "port {}", self.0)
    }
}
