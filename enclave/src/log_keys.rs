//! Signs size and root of the receipt log: heads for Ethereum, notes for log tools.

use std::sync::Arc;

use k256::ecdsa::SigningKey;
use quoth_attestation::evm;
use quoth_attestation::log::checkpoint::LogCheckpoint;
use quoth_attestation::log::frontier::Frontier;
use quoth_attestation::log::head::{Head, Signature, SignedHead};
use quoth_attestation::{Digest, FormatError};
use zeroize::Zeroizing;

use crate::keys::{ReceiptKey, random};
use crate::{EnclaveError, clock};

/// The settlement key: secp256k1, made at boot, never stored, wiped when the node ends. It signs heads and nothing else.
pub struct SettlementKey {
    key: SigningKey,
    public: evm::SettlementKey,
}

/// What signs a node's log.
pub struct LogKeys {
    node: Digest,
    settlement: SettlementKey,
    receipt: Arc<ReceiptKey>,
}

impl SettlementKey {
    /// A fresh key.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn generate() -> Result<Self, EnclaveError> {
        loop {
            let secret = Zeroizing::new(random::<32>()?);
            // One number in 2^128 is no key.
            let Ok(key) = SigningKey::from_slice(&*secret) else { continue };
            let point = key.verifying_key().to_sec1_point(true);
            let public = point.as_bytes().try_into().map_err(EnclaveError::make("settlement key"))?;
            let public = evm::SettlementKey::new(public).map_err(EnclaveError::make("settlement key"))?;
            return Ok(Self { key, public });
        }
    }

    /// The public key.
    pub fn public(&self) -> evm::SettlementKey {
        self.public
    }

    fn sign(&self, head: Head) -> Result<SignedHead, FormatError> {
        // Deterministic (RFC 6979), with the low `s` (EIP-2).
        let (signature, recovery) = self.key.sign_prehash_recoverable(&head.digest().0);
        let (r, s) = signature.split_bytes();
        Ok(SignedHead::new(head, Signature::new(r.into(), s.into(), recovery.is_y_odd())?))
    }
}

/// The key that signed a head, as Ethereum recovers it.
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) fn signer(signed: &SignedHead) -> evm::SettlementKey {
    let signature = signed.signature();
    let known = k256::ecdsa::Signature::from_scalars(*signature.r(), *signature.s()).unwrap();
    let recovery = k256::ecdsa::RecoveryId::new(signature.is_odd(), false);
    let key = k256::ecdsa::VerifyingKey::recover_from_prehash(&signed.head().digest().0, &known, recovery).unwrap();
    evm::SettlementKey::new(key.to_sec1_point(true).as_bytes().try_into().unwrap()).unwrap()
}

impl LogKeys {
    /// The keys of the node whose statement has this digest.
    pub fn new(node: Digest, settlement: SettlementKey, receipt: Arc<ReceiptKey>) -> Self {
        Self { node, settlement, receipt }
    }

    /// Signs a head.
    ///
    /// # Errors
    /// As [`Head::new`] and [`Signature::new`].
    pub fn head(&self, size: u64, root: Digest, closed: bool) -> Result<SignedHead, FormatError> {
        self.settlement.sign(Head::new(self.node, size, root, clock::seconds(), closed)?)
    }

    /// Signs a head and a note of the same tree, for publication.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub fn publish(&self, tree: &Frontier, closed: bool) -> Result<(SignedHead, String), FormatError> {
        let (size, root) = (tree.size(), tree.root());
        let checkpoint = LogCheckpoint::new(self.node, size, root)?;
        Ok((self.head(size, root, closed)?, self.receipt.note(&checkpoint).encode()))
    }
}
