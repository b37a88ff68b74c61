//! Why an exchange is not proven.

use std::time::Duration;

use quoth_verifier::Refusal;

/// Why an exchange is not proven.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Evidence, receipt or stream was judged and refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A response lacks a header field that every proof needs.
    #[error("the answer has no {name} header, so nothing about it is proven")]
    HeaderMissing {
        /// The header field's name.
        name: &'static str,
    },
    /// A header field of the proof is malformed.
    #[error("the answer's {name} header is not {expected}")]
    HeaderInvalid {
        /// The header field's name.
        name: &'static str,
        /// The required form.
        expected: &'static str,
    },
    /// The answer names another node than the one appraised on this connection.
    #[error("the answer names node {actual}, but the node on this connection is {expected}")]
    NodeChanged {
        /// The appraised statement's digest.
        expected: quoth_attestation::Digest,
        /// The digest in the answer's head.
        actual: quoth_attestation::Digest,
    },
    /// The URL is not that of a node.
    #[error("not a node's URL: {reason}")]
    Url {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The node answered with an error without a receipt.
    #[error("the node answered {status}{}", code.as_deref().map(|code| format!(" ({code})")).unwrap_or_default())]
    Status {
        /// HTTP status.
        status: u16,
        /// The error's code, if it is a plain word.
        code: Option<String>,
        /// Seconds after which the node asks for another try.
        retry_after: Option<u64>,
    },
    /// The network failed.
    #[error("{step} failed: {source}")]
    Io {
        /// The failed step.
        step: Step,
        /// The cause.
        source: std::io::Error,
    },
    /// The node broke the HTTP protocol or one of its limits.
    #[error("{step} failed: {source}")]
    Http {
        /// The failed step.
        step: Step,
        /// The cause.
        source: hyper::Error,
    },
    /// A step took too long.
    #[error("{step} took longer than {} s", limit.as_secs())]
    Timeout {
        /// The step.
        step: Step,
        /// The time limit.
        limit: Duration,
    },
    /// The node sent more than allowed.
    #[error("{step}: more than {limit} bytes")]
    TooLong {
        /// The step that was reading.
        step: Step,
        /// The limit, in bytes.
        limit: usize,
    },
    /// On a connection that the next request needs, the node closed it or sent extra bytes.
    #[error("{step}: the node broke the connection's protocol")]
    Protocol {
        /// The failed step.
        step: Step,
    },
    /// The order cannot be made.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// The operating system gave no random bytes.
    #[error("no random bytes: {0}")]
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
    /// Looking up something else.
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
    /// A stable code for programs.
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

    /// Returns true if the node closed the connection before the request left. The request may be sent again on another one.
    pub fn is_unsent(&self) -> bool {
        matches!(self, Self::Http { step: Step::Request, source } if source.is_canceled() || source.is_closed())
    }

    /// Returns true if a proof was judged and refused; false if there was nothing to judge.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Refused(_) | Self::HeaderMissing { .. } | Self::HeaderInvalid { .. } | Self::NodeChanged { .. }
        )
    }
}

/// Why a secret's order cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OrderError {
    /// The statement has no seal key.
    #[error("the node accepts no secrets, because its configuration names no operator")]
    NoSealKey,
    /// The statement names another operator key.
    #[error("the node's configuration names another operator")]
    OtherOperator,
    /// The name is not a valid secret's name.
    #[error("a secret's name has 1 to 64 of a-z, 0-9 and -")]
    Name,
    /// The secret is not valid.
    #[error("a secret has 1 to 4096 printable ASCII characters")]
    Secret,
    /// The system gave no random bytes.
    #[error("no random bytes")]
    Random,
    /// The key is malformed.
    #[error("not an Ed25519 private key in PKCS #8")]
    Key,
}

impl OrderError {
    /// A stable code for programs.
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
