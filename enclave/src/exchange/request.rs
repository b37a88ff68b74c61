//! A request that was read whole, and what its caller asked of the proofs.

use bytes::Bytes;
use http::HeaderMap;
use quoth_attestation::Digest;
use quoth_attestation::binding::Nonce;
use quoth_attestation::receipt::{Method, Target};
use quoth_engine::CacheScope;

use crate::upstream::Key;

/// What a caller asked of the proofs, in request headers.
#[derive(Clone, Default)]
pub struct ProofOptions {
    /// `quoth-nonce`.
    pub nonce: Option<Nonce>,
    /// `quoth-parent`.
    pub parent: Option<Digest>,
    /// `quoth-details: 1`.
    pub details: bool,
    /// `quoth-head: 1`: a head of the log that ends with this receipt.
    pub head: bool,
    /// `quoth-retries`: how often a provider that answers 429 or 503 may be asked again.
    pub retries: u16,
}

/// A request that was read whole, parsed or not.
pub struct IncomingRequest {
    /// HTTP method.
    pub method: Method,
    /// Path and query of the request-target, as received.
    pub target: Target,
    /// The body.
    pub body: Bytes,
    /// What the caller asked of the proofs.
    pub proof: ProofOptions,
    /// Those of its headers that a provider may see.
    pub passed: HeaderMap,
    /// The caller's own key for a provider.
    pub key: Option<Key>,
    /// Requests with this scope, those of one connection, share computed beginnings of prompts.
    pub cache: CacheScope,
    /// When the body was read whole, milliseconds.
    pub received: u64,
}
