//! Platform configuration registers (PCRs) as AWS Nitro computes them for an image
//! (Nitro Enclaves User Guide, "Cryptographic attestation").

use sha2::{Digest as _, Sha384};

/// A register: a SHA-384 digest, 48 bytes.
pub type Pcr = [u8; 48];

/// Computes SHA384(48 zero bytes ‖ SHA384(data)); data arrives in pieces.
#[derive(Clone, Default)]
pub struct PcrHasher(Sha384);

impl PcrHasher {
    /// An empty hasher.
    pub fn new() -> Self {
        Self::default()
    }

    /// Measures the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the register's value.
    pub fn finish(self) -> Pcr {
        Sha384::new().chain_update([0; 48]).chain_update(self.0.finalize()).finalize().into()
    }
}

/// The register for the concatenation of `parts`.
pub fn pcr(parts: &[&[u8]]) -> Pcr {
    let mut hasher = PcrHasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finish()
}
