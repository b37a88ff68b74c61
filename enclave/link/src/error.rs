//! The errors of a link.

use std::io;

use crate::port::Port;

/// Why the other side of a link could not be reached or understood.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The socket failed.
    #[error("link: {0}")]
    Io(#[from] io::Error),
    /// No connection was made in time.
    #[error("link: no connection to {port} in time")]
    ConnectTimeout {
        /// The port.
        port: Port,
    },
    /// The text is not an address.
    #[error("not a link address: expected unix:DIRECTORY, vsock:CID or vhost:PATH")]
    Address,
    /// The stream ended inside a message.
    #[error("link: the stream ended inside a message")]
    Truncated,
    /// A message is too long or too short for its kind.
    #[error("link: {what} of {actual} bytes, expected {expected}")]
    Length {
        /// What is too long or too short.
        what: &'static str,
        /// The length that is allowed, in words.
        expected: &'static str,
        /// The length that was announced or reached.
        actual: u64,
    },
    /// This side does not accept frames of this kind.
    #[error("link: unknown frame kind {actual:#04x}")]
    Kind {
        /// The kind.
        actual: u8,
    },
    /// The other side speaks another version of the protocol.
    #[error("link: protocol version {actual}, expected {expected}")]
    Version {
        /// The version of this side.
        expected: u8,
        /// The version of the other side.
        actual: u8,
    },
    /// A message is not in its only accepted form.
    #[error("link: malformed {what}")]
    Malformed {
        /// What was expected.
        what: &'static str,
    },
    /// The host has no model with this digest.
    #[error("link: the host does not have this model")]
    UnknownModel,
    /// The destination is not on the host's list.
    #[error("link: the host does not connect to this destination")]
    DestinationRefused,
    /// The host found no address for the destination.
    #[error("link: the host found no address for this destination")]
    DestinationUnresolved,
    /// The host could not connect to the destination, or has too many connections.
    #[error("link: the host could not connect to this destination")]
    DestinationUnreachable,
}
