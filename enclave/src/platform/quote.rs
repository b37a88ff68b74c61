//! The trait of platforms: they sign quotes.

use std::time::Duration;

use quoth_attestation::Digest;
use quoth_attestation::binding::Nonce;
use quoth_attestation::receipt::Level;
use quoth_attestation::statement::{Clock, Platform as Name};

use crate::EnclaveError;
use crate::limits;

/// What a platform signed.
pub struct Quote {
    /// The quote.
    pub bytes: Vec<u8>,
    /// Certificates that endorse the quote and are not part of it, DER. They come from the host, if it has any.
    pub certificates: Vec<Vec<u8>>,
}

impl From<Vec<u8>> for Quote {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, certificates: Vec::new() }
    }
}

/// A source of quotes; its trust root travels with it.
pub trait Platform: Send + Sync {
    /// Its name in the statement.
    fn name(&self) -> Name;
    /// Who vouches for the clock.
    fn clock(&self) -> Clock;
    /// How strongly receipts are proven.
    fn level(&self) -> Level;
    /// Signs `binding`, asked for with `nonce`. Takes up to seconds on some hardware: call it where blocking is allowed.
    fn quote(&self, binding: &[u8; 64], nonce: Option<&Nonce>) -> Result<Quote, EnclaveError>;
    /// How old a quote may become before it is renewed.
    fn renewal(&self) -> Duration {
        limits::EVIDENCE_LIFE
    }
    /// Whether the host has to get the endorsements of its quotes.
    fn is_endorsed_by_others(&self) -> bool {
        false
    }
    /// SHA-256 of the root certificate, if the root was made for this run.
    fn simulated_root(&self) -> Option<Digest> {
        None
    }
}
