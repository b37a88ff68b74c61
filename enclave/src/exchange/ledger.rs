//! The receipt chain of a boot.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use quoth_attestation::checkpoint::Checkpoint;
use quoth_attestation::cose::Signed;
use quoth_attestation::receipt::Receipt;
use quoth_attestation::{Digest, ExchangeId, FormatError};

use crate::journal::{Journal, Reservation};
use crate::keys::ReceiptKey;
use crate::limits;

/// The receipt chain of this boot: positions have no gaps, and each receipt points to the one before.
pub struct Ledger {
    key: Arc<ReceiptKey>,
    journal: Arc<Journal>,
    chain: Mutex<Chain>,
}

struct Chain {
    seq: u64,
    prev: Digest,
    recent: HashMap<ExchangeId, Bytes>,
    order: VecDeque<ExchangeId>,
}

impl Ledger {
    /// An empty chain that begins at the statement.
    pub fn new(key: Arc<ReceiptKey>, statement: Digest, journal: Arc<Journal>) -> Self {
        let chain = Chain { seq: 0, prev: statement, recent: HashMap::new(), order: VecDeque::new() };
        Self { key, journal, chain: Mutex::new(chain) }
    }

    /// The raw public key.
    pub fn public_key(&self) -> [u8; 32] {
        self.key.public()
    }

    /// Signs a checkpoint. Checkpoints are not part of the chain.
    ///
    /// # Errors
    /// As [`Signed::sign`].
    pub fn sign(&self, checkpoint: Checkpoint) -> Result<Signed<Checkpoint>, FormatError> {
        self.key.sign(checkpoint)
    }

    /// Signs the next receipt and hands it to the journal. Position, signature and hand-over are one step, so that
    /// the journal sees the chain in order.
    ///
    /// # Errors Why this receipt cannot exist. The chain is then unchanged: a position is taken only once its receipt
    /// is signed.
    pub fn issue(
        &self,
        place: Reservation,
        cti: ExchangeId,
        receipt: impl FnOnce(u64, Digest) -> Result<Receipt, FormatError>,
    ) -> Result<Bytes, FormatError> {
        let mut chain = self.chain.lock().unwrap_or_else(PoisonError::into_inner);
        let signed = self.key.sign(receipt(chain.seq, chain.prev)?)?;
        let bytes = Bytes::copy_from_slice(signed.bytes());
        chain.seq += 1;
        chain.prev = signed.digest();
        if chain.order.len() == limits::RECENT_RECEIPTS
            && let Some(oldest) = chain.order.pop_front()
        {
            chain.recent.remove(&oldest);
        }
        chain.recent.insert(cti, bytes.clone());
        chain.order.push_back(cti);
        self.journal.append(place, bytes.clone());
        Ok(bytes)
    }

    /// A recent receipt.
    pub fn recent(&self, cti: ExchangeId) -> Option<Bytes> {
        self.chain.lock().unwrap_or_else(PoisonError::into_inner).recent.get(&cti).cloned()
    }
}
