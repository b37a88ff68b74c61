//! Why an exchange did not come to a proven end.

use std::time::Duration;

use quoth_verifier::Refusal;

/// Why an exchange did not come to a proven end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Evidence, receipt or stream were judged, and refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A response lacks a header field without which nothing about it can be proven.
    #[error("the answer carries no {name} header: nothing about it is proven")]
    HeaderMissing {
        /// The header field's name.
        name: &'static str,
    },
    /// A header field of the proof is malformed.
    #[error("the answer's {name} header is not {expected}")]
    HeaderInvalid {
        /// The header field's name.
        name: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// The answer names another node than the one that was appraised on this connection.
    #[error("the answer names node {actual}, this connection was appraised as {expected}")]
    NodeChanged {
        /// The appraised statement's digest.
        expected: quoth_attestation::Digest,
        /// The digest in the answer's head.
        actual: quoth_attestation::Digest,
    },
    /// The URL is not one of a node.
    #[error("not the URL of a node: {reason}")]
    Url {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The node answered with an error that carries no receipt.
    #[error("the node answered {status}{}", code.as_deref().map(|code| format!(" ({code})")).unwrap_or_default())]
    Status {
        /// HTTP status.
        status: u16,
        /// The error's code, when it gave a plain one.
        code: Option<String>,
        /// Seconds after which the node asks to be tried again.
        retry_after: Option<u64>,
    },
    /// The network failed.
    #[error("{step} failed: {source}")]
    Io {
        /// What was being done.
        step: Step,
        /// The cause.
        source: std::io::Error,
    },
    /// The node broke HTTP, or a limit of it.
    #[error("{step} failed: {source}")]
    Http {
        /// What was being done.
        step: Step,
        /// The cause.
        source: hyper::Error,
    },
    /// It took too long.
    #[error("{step} took longer than {} s", limit.as_secs())]
    Timeout {
        /// What was being done.
        step: Step,
        /// The named limit.
        limit: Duration,
    },
    /// The node sent more than is allowed.
    #[error("{step}: more than {limit} bytes")]
    TooLong {
        /// What was being read.
        step: Step,
        /// The named limit.
        limit: usize,
    },
    /// The node closed, or kept talking on, a connection that the next request needs.
    #[error("{step}: the node broke the connection's protocol")]
    Protocol {
        /// What was being done.
        step: Step,
    },
    /// There is no order to give.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// The operating system gave no random bytes.
    #[error("no randomness: {0}")]
    Random(getrandom::Error),
}

/// What the client was doing when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Resolving and opening TCP.
    Connect,
    /// The TLS handshake.
    Handshake,
    /// Fetching the node's evidence.
    Evidence,
    /// Sending the request and waiting for the response head.
    Request,
    /// Reading the response body.
    Response,
    /// Fetching the exchange's details.
    Details,
    /// Looking something up.
    Lookup,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::Handshake => "the TLS handshake",
            Self::Evidence => "fetching the evidence",
            Self::Request => "the request",
            Self::Response => "reading the answer",
            Self::Details => "fetching the details",
            Self::Lookup => "the lookup",
        })
    }
}

impl ClientError {
    /// Stable code, for programs.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::HeaderMissing { .. } => "response.header_missing",
            Self::HeaderInvalid { .. } => "response.header_invalid",
            Self::NodeChanged { .. } => "response.node",
            Self::Url { .. } => "client.url",
            Self::Status { .. } => "node.status",
            Self::Io { .. } => "client.io",
            Self::Http { .. } => "client.http",
            Self::Timeout { .. } => "client.timeout",
            Self::TooLong { .. } => "client.too_long",
            Self::Protocol { .. } => "client.protocol",
            Self::Order(error) => error.code(),
            Self::Random(_) => "client.random",
        }
    }

    /// Whether the request never left, because the node had closed the connection: on another one it may be sent again.
    pub fn is_unsent(&self) -> bool {
        matches!(self, Self::Http { step: Step::Request, source } if source.is_canceled() || source.is_closed())
    }

    /// Whether something was judged and found not proven, as against never having come to a judgement.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Refused(_) | Self::HeaderMissing { .. } | Self::HeaderInvalid { .. } | Self::NodeChanged { .. }
        )
    }
}

/// Why a node could not be given a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OrderError {
    /// The statement has no seal key.
    #[error("the node takes no secrets: its configuration names no operator")]
    NoSealKey,
    /// The statement names another key.
    #[error("the node's configuration names another operator")]
    OtherOperator,
    /// Not a name that secrets have.
    #[error("a secret's name has 1 to 64 of a-z, 0-9 and -")]
    Name,
    /// Not a secret that nodes take.
    #[error("a secret has 1 to 4096 printable ASCII characters")]
    Secret,
    /// The system gives no random bytes.
    #[error("no random bytes")]
    Random,
    /// The key is no key.
    #[error("not an Ed25519 private key in PKCS #8")]
    Key,
}

impl OrderError {
    /// Stable code, for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoSealKey => "secret.no_seal_key",
            Self::OtherOperator => "secret.other_operator",
            Self::Name => "secret.name",
            Self::Secret => "secret.text",
            Self::Random => "operator.random",
            Self::Key => "operator.key",
        }
    }
}
