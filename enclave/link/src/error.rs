use std::io;

use crate::port::Port;

/// Why the other side of a link was not understood or not reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The socket failed.
    #[error("link: {0}")]
    Io(#[from] io::Error),
    /// No connection came about in time.
    #[error("link: no connection to {port} in time")]
    ConnectTimeout {
        /// The port, by name.
        port: Port,
    },
    /// Not an address.
    #[error("not a link address: expected unix:DIRECTORY")]
    Address,
    /// The stream ended inside a message.
    #[error("link: the stream ended inside a message")]
    Truncated,
    /// A message is longer than its kind may be.
    #[error("link: {what} of {actual} bytes, expected {expected}")]
    Length {
        /// What is too long or too short.
        what: &'static str,
        /// The length that is allowed, in words.
        expected: &'static str,
        /// The length that was claimed or reached.
        actual: u64,
    },
    /// A frame of a kind that this side does not take.
    #[error("link: unknown frame kind {actual:#04x}")]
    Kind {
        /// The kind.
        actual: u8,
    },
    /// Another version of the protocol.
    #[error("link: protocol version {actual}, expected {expected}")]
    Version {
        /// What this side speaks.
        expected: u8,
        /// What the other side speaks.
        actual: u8,
    },
    /// A line that is not in its one accepted form.
    #[error("link: malformed {what}")]
    Malformed {
        /// What it should have been.
        what: &'static str,
    },
    /// The host has no model with this digest.
    #[error("link: the host does not have this model")]
    UnknownModel,
    /// The destination is not on the host's list.
    #[error("link: the host does not lead to this destination")]
    DestinationRefused,
    /// The host found no address for the destination.
    #[error("link: the host finds no address for this destination")]
    DestinationUnresolved,
    /// No connection to the destination came about, or the host has too many already.
    #[error("link: the host gets no connection to this destination")]
    DestinationUnreachable,
}
