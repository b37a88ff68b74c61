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

/// Every limit of this crate on the size and duration of a node's answers.
pub mod limits {
    use std::time::Duration;

    /// Maximum duration of a TCP connect.
    pub const CONNECT: Duration = Duration::from_secs(10);
    /// Maximum duration of a TLS handshake.
    pub const HANDSHAKE: Duration = Duration::from_secs(10);
    /// Maximum duration of a fetch of evidence, details or a lookup.
    pub const FETCH: Duration = Duration::from_secs(30);
    /// Maximum time from the last request byte to the response head; a busy node queues requests.
    pub const HEAD: Duration = Duration::from_secs(600);
    /// Maximum time between two pieces of a response body.
    pub const IDLE: Duration = Duration::from_secs(120);
    /// Maximum bytes in a response head.
    pub const HEAD_BYTES: usize = 32 * 1024;
    /// Maximum number of header fields in a response.
    pub const HEADERS: usize = 64;
    /// Maximum bytes in a response body with its records.
    pub const RESPONSE_BYTES: usize = 64 * 1024 * 1024;
    /// Maximum bytes in an exchange's details.
    pub const DETAILS_BYTES: usize = 16 * 1024 * 1024;
    /// Maximum bytes in a lookup's answer.
    pub const LOOKUP_BYTES: usize = 16 * 1024 * 1024;
    /// Maximum bytes in an unproven error body that is read for its code.
    pub const ERROR_BYTES: usize = 16 * 1024;
    /// Length of the nonce of every request, in bytes.
    pub const NONCE_BYTES: usize = 32;
}
