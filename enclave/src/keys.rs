//! The receipt key: made at boot, never stored, wiped when the node ends.

use ed25519_dalek::{Signer, SigningKey};
use quoth_attestation::cose::{KeyId, Payload, Signed};
use zeroize::Zeroizing;

use crate::EnclaveError;

/// An Ed25519 key (RFC 8032) that signs receipts, checkpoints and, on platform `none`, possession proofs.
pub struct ReceiptKey {
    key: SigningKey,
    id: KeyId,
}

impl ReceiptKey {
    /// A fresh key.
    pub fn generate() -> Result<Self, EnclaveError> {
        let seed = Zeroizing::new(random::<32>()?);
        let key = SigningKey::from_bytes(&seed);
        let id = KeyId::of(key.verifying_key().as_bytes());
        Ok(Self { key, id })
    }

    /// The raw public key.
    pub fn public(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    /// Signs a payload of one of Quoth's formats; there is no other way to use the key.
    pub fn sign<T: Payload>(&self, claims: T) -> Signed<T> {
        Signed::sign(claims, self.id, |bytes| self.key.sign(bytes).to_bytes())
    }
}

/// Random bytes from the system's generator.
pub fn random<const N: usize>() -> Result<[u8; N], EnclaveError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(EnclaveError::make("random bytes"))?;
    Ok(bytes)
}
