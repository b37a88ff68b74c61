//! The protocol between enclave and host: one definition that both sides use.
//!
//! Neither side trusts the other. All messages are bounded and read strictly. A violation of the protocol is a
//! [`LinkError`], never a panic.
//!
//! | port | opened by | carries |
//! |---|---|---|
//! | [`Port::CLIENTS`] | host | raw TLS bytes of a client, relayed blind |
//! | [`Port::EGRESS`] | enclave | [`egress`]: a destination, then raw TLS bytes of a provider, relayed blind |
//! | [`Port::MODEL`] | enclave | [`feed`]: a model, named by its digest |
//! | [`Port::JOURNAL`] | enclave | [`journal`]: receipts, acknowledged once they are on disk |
//! | [`Port::EVENTS`] | enclave | [`event`]: boot steps, status, commands |
//! | [`Port::ENDORSEMENTS`] | enclave | [`endorse`]: a report, then the certificates and revocation lists that endorse it |
//! | [`Port::METRICS`] | host | [`metrics`]: Prometheus text |
#![forbid(unsafe_code)]

mod address;
pub mod egress;
pub mod endorse;
mod error;
pub mod event;
pub mod feed;
mod frame;
pub mod journal;
pub mod metrics;
mod name;
mod port;
mod socket;
mod stream;
mod vsock;

use std::time::Duration;

pub use address::Address;
pub use error::LinkError;
pub use frame::{Frame, Frames};
pub use name::Name;
pub use port::Port;
pub use stream::{Listener, Stream};

/// How long an enclave waits for its host to return before it drains and stops.
pub const HOST_ABSENCE: Duration = Duration::from_secs(60);
/// How long an enclave waits before it tries to reach the host again.
pub const RETRY: Duration = Duration::from_millis(100);
/// How long each side waits for a connection to the other.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
