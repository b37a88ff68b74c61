//! The head of a response.

use quoth_attestation::ExchangeId;
use quoth_attestation::binding::Nonce;
use quoth_attestation::commit::Opening;

/// The parts of a response's head that a proof needs, and the nonce of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// HTTP status.
    pub status: u16,
    /// The exchange's id, from the header `quoth-cti`. `None` accepts the signed id.
    pub cti: Option<ExchangeId>,
    /// Opens the receipt's commitments: 32 bytes, from the header `quoth-opening` (base64url).
    pub opening: Opening,
    /// The nonce that the request sent in the header `quoth-nonce`; `None` if and only if it sent none.
    pub nonce: Option<Nonce>,
}
