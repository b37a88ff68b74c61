//! Why a provider gave no answer.

use crate::EnclaveError;

/// Why a provider gave no answer that may pass. Texts say nothing about request or answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// The host refuses the destination, cannot resolve its name, or gets no connection.
    #[error("the provider cannot be reached")]
    Unreachable,
    /// It did not authenticate as the configured host with an accepted version of TLS.
    #[error("the provider did not authenticate as the host that it is configured to be")]
    Tls,
    /// The connection ended before there was an answer.
    #[error("the provider closed the connection without an answer")]
    Closed,
    /// It was silent for too long.
    #[error("the provider was silent for too long")]
    Silent,
    /// The head of the answer is too long or not HTTP.
    #[error("the provider's answer is not HTTP, or its head is too long")]
    Head,
    /// The body has a content encoding that the node did not ask for.
    #[error("the provider's answer is encoded")]
    Encoded,
    /// It redirects the request.
    #[error("the provider redirects")]
    Redirect,
    /// The body is longer than the limit.
    #[error("the provider's answer is too long")]
    TooLong,
    /// An error that may show parts of the operator's key.
    #[error("the provider's error may show parts of the operator's key")]
    ShowsKey,
    /// The node has no memory left for the answer.
    #[error("the node's memory for answers is used up")]
    NoMemory,
    /// The body ended before the answer did.
    #[error("the provider's answer was cut")]
    Cut,
    /// Not a valid event stream.
    #[error("the provider's event stream is malformed")]
    Malformed,
    /// A comment that looks like a record of this node's.
    #[error("the provider's event stream imitates a record of this node")]
    Imitation,
    /// An event that clients could read in different ways.
    #[error("the provider's event stream has an event that clients could take for different things")]
    Ambiguous,
    /// More than one media type.
    #[error("the provider's answer has more than one media type")]
    MediaType,
    /// The operator hides counts of cached tokens, but the answer cannot be read.
    #[error("the provider's answer cannot be read, so that counts in it cannot be hidden")]
    Unreadable,
}

impl UpstreamError {
    /// Stable code, for callers.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unreachable => "upstream_unreachable",
            Self::Tls => "upstream_not_authenticated",
            Self::Closed => "upstream_closed",
            Self::Silent => "upstream_silent",
            Self::Head => "upstream_head",
            Self::Encoded => "upstream_encoded",
            Self::Redirect => "upstream_redirect",
            Self::TooLong => "upstream_too_long",
            Self::ShowsKey => "operator_key_shown",
            Self::NoMemory => "memory_full",
            Self::Cut => "upstream_cut",
            Self::Malformed => "upstream_malformed",
            Self::Imitation => "upstream_imitation",
            Self::Ambiguous => "upstream_ambiguous",
            Self::MediaType => "upstream_media_type",
            Self::Unreadable => "upstream_unreadable",
        }
    }
}

/// The error for a host in the configuration that is not a DNS name.
pub(super) fn no_name() -> EnclaveError {
    EnclaveError::Config("an upstream's host is no DNS name of at most 253 bytes".into())
}
