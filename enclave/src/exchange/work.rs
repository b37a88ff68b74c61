//! What produces an answer, and what the receipt says about it.

use quoth_attestation::Digest;
use quoth_attestation::commit::Opening;
use quoth_attestation::receipt::{Execution, Outcome, Usage};
use quoth_attestation::transcript::Details;

use super::local::LocalRecord;
use super::upstream::UpstreamRecord;

/// What produces an answer.
pub(super) enum Work {
    Local(Box<LocalRecord>),
    Upstream(Box<UpstreamRecord>),
}

impl Work {
    pub(super) fn usage(&self) -> Option<Usage> {
        match self {
            Self::Local(local) => Some(local.usage()),
            Self::Upstream(upstream) => upstream.usage,
        }
    }

    /// The outcome of a request that the node gave up. A refused one has no execution (SPEC §7).
    pub(super) fn given_up(&self) -> Outcome {
        match self {
            Self::Local(_) => Outcome::EngineFailed,
            Self::Upstream(_) => Outcome::UpstreamFailed,
        }
    }

    /// What the receipt says, and what opens it, given the digests of the caller's body and of the answer.
    pub(super) fn end(self, opening: &Opening, body: &Digest, response: &Digest) -> (Execution, Option<Details>) {
        match self {
            Self::Local(local) => {
                let (local, details) = local.end(opening);
                (Execution::Local(local), Some(Details::Local(details)))
            }
            Self::Upstream(upstream) => {
                let (upstream, details) = upstream.end(opening, body, response);
                (Execution::Upstream(upstream), details.map(Details::Upstream))
            }
        }
    }
}
