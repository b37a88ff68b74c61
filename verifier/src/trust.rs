use alloc::collections::BTreeSet;

use quoth_attestation::Digest;

use crate::memory::Memory;
use crate::nitro::AWS_ROOT_G1;
use crate::snp;

/// What a verifier begins from: whose hardware it believes, and what it remembers of it.
pub(crate) struct Trust {
    /// Digests of AWS's root certificates.
    pub(crate) aws: BTreeSet<Digest>,
    /// AMD's.
    pub(crate) amd: snp::Roots,
    pub(crate) memory: Memory,
}

impl Default for Trust {
    fn default() -> Self {
        Self { aws: [AWS_ROOT_G1].into(), amd: snp::pinned, memory: Memory::default() }
    }
}
