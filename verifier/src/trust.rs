//! The roots of a verifier's trust.

use alloc::vec::Vec;

use quoth_attestation::Digest;

use crate::nitro::AWS_ROOT_G1;
use crate::signatures::Signatures;
use crate::snp;

/// What a verifier trusts from the start: hardware vendors' roots, and its method of checking signatures.
#[derive(Clone)]
pub(crate) struct Trust {
    /// Digests of AWS's root certificates.
    pub(crate) aws: Vec<Digest>,
    /// AMD's roots.
    pub(crate) amd: snp::Roots,
    pub(crate) signatures: Signatures,
}

impl Default for Trust {
    fn default() -> Self {
        Self { aws: [AWS_ROOT_G1].into(), amd: snp::pinned, signatures: Signatures::default() }
    }
}
