use std::io;

/// Why the link could not be used, or what the other side sent could not be understood.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The transport failed.
    #[error("link: {0}")]
    Io(#[from] io::Error),
    /// The address is not one of the known forms.
    #[error("not a link address: expected unix:DIR")]
    Address,
    /// Nothing answered in time.
    #[error("no answer on port {port} in time")]
    Timeout {
        /// The port.
        port: u32,
    },
    /// A line or frame is longer than its limit.
    #[error("{what} is longer than {limit} bytes")]
    TooLong {
        /// What was read.
        what: &'static str,
        /// Its limit, bytes.
        limit: usize,
    },
    /// The other side closed the stream inside a line or frame.
    #[error("the other side closed inside {what}")]
    Closed {
        /// What was read.
        what: &'static str,
    },
    /// A line or frame is malformed.
    #[error("malformed {what}")]
    Malformed {
        /// What was read.
        what: &'static str,
    },
}
