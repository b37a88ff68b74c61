//! The frames between enclave and host: one definition for both sides.
//!
//! One stream a connection, one purpose a port. Nothing is framed by half-closing, every frame and line has a limit,
//! and neither side trusts what the other sends.
//!
//! | port | opened by | carries |
//! |---|---|---|
//! | [`port::CLIENTS`] | host | raw client TLS bytes |
//! | [`port::MODEL`] | enclave | [`model`]: digest and size, then bytes |
//! | [`port::JOURNAL`] | enclave | [`journal`]: receipts in order, acknowledged after they are safe |
//! | [`port::EVENTS`] | enclave | [`events`]: boot, status, the command to drain |
//! | [`port::METRICS`] | host | [`metrics`]: one answer, Prometheus text |
#![forbid(unsafe_code)]

mod address;
mod error;
pub mod events;
pub mod journal;
mod line;
pub mod metrics;
pub mod model;
pub mod port;

use std::time::Duration;

pub use address::{Address, Listener, Stream};
pub use error::LinkError;

/// How long an enclave lives on without its host, before it drains and ends.
pub const HOST_ABSENCE: Duration = Duration::from_secs(60);
/// How long a connection may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a lost connection is tried again.
pub const RETRY: Duration = Duration::from_millis(100);
