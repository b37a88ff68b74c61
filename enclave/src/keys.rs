//! The receipt key: made at boot, never stored, wiped when the node ends.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use quoth_attestation::cose::{KeyId, Payload, Signed};
use zeroize::Zeroizing;

use crate::EnclaveError;

/// An Ed25519 key (RFC 8032) that signs receipts, checkpoints and, on platform `none`, possession proofs.
pub struct ReceiptKey {
    key: Ed25519KeyPair,
    public: [u8; 32],
    id: KeyId,
}

impl ReceiptKey {
    /// A fresh key.
    pub fn generate() -> Result<Self, EnclaveError> {
        let seed = Zeroizing::new(random::<32>()?);
        let key = Ed25519KeyPair::from_seed_unchecked(&*seed).map_err(EnclaveError::make("receipt key"))?;
        let public = key.public_key().as_ref().try_into().map_err(EnclaveError::make("receipt key"))?;
        Ok(Self { key, public, id: KeyId::of(&public) })
    }

    /// The raw public key.
    pub fn public(&self) -> [u8; 32] {
        self.public
    }

    /// Signs a payload of one of Quoth's formats; there is no other way to use the key.
    pub fn sign<T: Payload>(&self, claims: T) -> Signed<T> {
        Signed::sign(claims, self.id, |bytes| {
            // safe: an Ed25519 signature has 64 bytes (RFC 8032 §5.1.6)
            self.key.sign(bytes).as_ref().try_into().expect("an Ed25519 signature has 64 bytes")
        })
    }
}

/// Random bytes from the system's generator.
pub fn random<const N: usize>() -> Result<[u8; N], EnclaveError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(EnclaveError::make("random bytes"))?;
    Ok(bytes)
}
