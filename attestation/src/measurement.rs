//! Platform configuration registers as AWS Nitro computes them for an image
//! (Nitro Enclaves User Guide, "Cryptographic attestation").

use sha2::{Digest as _, Sha384};

/// A register: SHA-384, 48 bytes.
pub type Pcr = [u8; 48];

/// SHA384(48 zero bytes ‖ SHA384(data)), the data given in pieces.
#[derive(Clone, Default)]
pub struct PcrHasher(Sha384);

impl PcrHasher {
    /// Nothing measured yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Measures the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The register's value.
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
