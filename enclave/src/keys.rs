//! The receipt key: made at boot, never stored, wiped when the node ends.

use std::cell::RefCell;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use quoth_attestation::FormatError;
use quoth_attestation::cose::{KeyId, Payload, Signed};
use quoth_attestation::log::checkpoint::LogCheckpoint;
use quoth_attestation::log::note::Note;
use zeroize::{Zeroize, Zeroizing};

use crate::EnclaveError;

/// An Ed25519 key (RFC 8032) that signs receipts, checkpoints, notes of the log and, on platform `none`, possession proofs.
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

    /// Signs a payload of one of Quoth's formats. The key can be used in no other way.
    ///
    /// # Errors
    /// As [`Signed::sign`].
    pub fn sign<T: Payload>(&self, claims: T) -> Result<Signed<T>, FormatError> {
        Signed::sign(claims, self.id, |bytes| self.signature(bytes))
    }

    /// Signs a checkpoint note of the log. Its text can be none of those payloads (`SPEC.md` §13.2).
    pub fn note(&self, checkpoint: &LogCheckpoint) -> Note {
        checkpoint.sign(&self.public, |text| self.signature(text))
    }

    fn signature(&self, bytes: &[u8]) -> [u8; 64] {
        // safe: an Ed25519 signature has 64 bytes (RFC 8032 §5.1.6)
        self.key.sign(bytes).as_ref().try_into().expect("an Ed25519 signature has 64 bytes")
    }
}

/// Random bytes from the system's generator, fetched for many requests at a time. No byte is given out twice, and given
/// bytes are wiped.
pub fn random_of_many<const N: usize>() -> Result<Zeroizing<[u8; N]>, EnclaveError> {
    STOCK.with_borrow_mut(|stock| {
        if stock.left < N {
            getrandom::fill(&mut *stock.bytes).map_err(EnclaveError::make("random bytes"))?;
            stock.left = STOCKED;
        }
        let end = stock.left;
        stock.left -= N;
        let given = &mut stock.bytes[end - N..end];
        let mut bytes = Zeroizing::new([0; N]);
        bytes.copy_from_slice(given);
        given.zeroize();
        Ok(bytes)
    })
}

/// Bytes fetched at a time.
const STOCKED: usize = 3072;

struct Stock {
    bytes: Zeroizing<[u8; STOCKED]>,
    /// How many bytes, from the beginning on, have not been given out.
    left: usize,
}

thread_local! {
    static STOCK: RefCell<Stock> = RefCell::new(Stock { bytes: Zeroizing::new([0; STOCKED]), left: 0 });
}

/// Random bytes from the system's generator.
pub fn random<const N: usize>() -> Result<[u8; N], EnclaveError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(EnclaveError::make("random bytes"))?;
    Ok(bytes)
}
