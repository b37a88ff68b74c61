#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod client;
mod connection;
mod connector;
mod endpoint;
mod error;
mod exchange;
mod operator;
mod tls;
mod token;

pub use client::Client;
pub use connection::Connection;
pub use connector::{AttestedStream, Connector, fresh_nonce};
pub use endpoint::Endpoint;
pub use error::{ClientError, OrderError, Step};
pub use exchange::{Exchange, Options, Proven};
pub use operator::OperatorKey;
pub use tls::tls_config_pinned;
pub use token::{access_token, token_hash};

/// Every bound that this crate puts on what a node may send, and on how long it may take.
pub mod limits {
    use std::time::Duration;

    /// TCP connect, at most.
    pub const CONNECT: Duration = Duration::from_secs(10);
    /// TLS handshake, at most.
    pub const HANDSHAKE: Duration = Duration::from_secs(10);
    /// Fetching evidence or details, or looking something up, at most.
    pub const FETCH: Duration = Duration::from_secs(30);
    /// From the last request byte to the response head, at most: a busy node queues.
    pub const HEAD: Duration = Duration::from_secs(600);
    /// Between two pieces of a response body, at most.
    pub const IDLE: Duration = Duration::from_secs(120);
    /// A response head, bytes, at most.
    pub const HEAD_BYTES: usize = 32 * 1024;
    /// Header fields in a response, at most.
    pub const HEADERS: usize = 64;
    /// A response body with its records, bytes, at most.
    pub const RESPONSE_BYTES: usize = 64 * 1024 * 1024;
    /// The details of an exchange, bytes, at most.
    pub const DETAILS_BYTES: usize = 16 * 1024 * 1024;
    /// The answer to a lookup, bytes, at most.
    pub const LOOKUP_BYTES: usize = 16 * 1024 * 1024;
    /// The part of an unproven error body that is read for its code, bytes, at most.
    pub const ERROR_BYTES: usize = 16 * 1024;
    /// The nonce that goes with every request, bytes.
    pub const NONCE_BYTES: usize = 32;
}
