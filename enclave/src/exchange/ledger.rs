//! The receipt chain of a boot.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use quoth_attestation::checkpoint::Checkpoint;
use quoth_attestation::cose::Signed;
use quoth_attestation::log::frontier::Frontier;
use quoth_attestation::log::head_proof::HeadProof;
use quoth_attestation::receipt::Receipt;
use quoth_attestation::{Digest, ExchangeId, FormatError};

use crate::journal::{Journal, Reservation};
use crate::keys::ReceiptKey;
use crate::limits;
use crate::log::log;
use crate::log_keys::LogKeys;

/// The receipt chain of this boot: positions have no gaps, and each receipt points to the one before.
pub struct Ledger {
    key: Arc<ReceiptKey>,
    log_keys: Arc<LogKeys>,
    journal: Arc<Journal>,
    chain: Mutex<Chain>,
}

struct Chain {
    /// The log of all receipts; its size is the next sequence number.
    tree: Frontier,
    prev: Digest,
    recent: HashMap<ExchangeId, Bytes>,
    order: VecDeque<ExchangeId>,
}

/// A receipt that was issued.
pub struct Issued {
    /// The COSE_Sign1.
    pub receipt: Bytes,
    /// A head of the log that ends with it, if one was asked for.
    pub head: Option<HeadProof>,
}

impl Ledger {
    /// An empty chain that begins at the statement.
    pub fn new(key: Arc<ReceiptKey>, log_keys: Arc<LogKeys>, statement: Digest, journal: Arc<Journal>) -> Self {
        let (tree, recent, order) = (Frontier::new(), HashMap::new(), VecDeque::new());
        Self { key, log_keys, journal, chain: Mutex::new(Chain { tree, prev: statement, recent, order }) }
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
        wants_head: bool,
        receipt: impl FnOnce(u64, Digest) -> Result<Receipt, FormatError>,
    ) -> Result<Issued, FormatError> {
        let mut chain = self.chain.lock().unwrap_or_else(PoisonError::into_inner);
        let signed = self.key.sign(receipt(chain.tree.size(), chain.prev)?)?;
        let path = wants_head.then(|| chain.tree.path_of_next());
        let full = |_| FormatError::OutOfRange { field: "seq", expected: "below 2^40 - 1" };
        chain.tree.push(&signed.digest()).map_err(full)?;
        let head = path.map(|path| (chain.tree.size(), chain.tree.root(), path));
        let bytes = Bytes::copy_from_slice(signed.bytes());
        chain.prev = signed.digest();
        if chain.order.len() == limits::RECENT_RECEIPTS
            && let Some(oldest) = chain.order.pop_front()
        {
            chain.recent.remove(&oldest);
        }
        chain.recent.insert(cti, bytes.clone());
        chain.order.push_back(cti);
        self.journal.append(place, signed.digest(), bytes.clone());
        drop(chain);
        let head = head.and_then(|(size, root, path)| {
            // The receipt exists, so it leaves, with a head or without one.
            let signed = self.log_keys.head(size, root, false).inspect_err(|error| log!("head_failed {error}")).ok()?;
            HeadProof::new(signed, path).ok()
        });
        Ok(Issued { receipt: bytes, head })
    }

    /// A recent receipt.
    pub fn recent(&self, cti: ExchangeId) -> Option<Bytes> {
        self.chain.lock().unwrap_or_else(PoisonError::into_inner).recent.get(&cti).cloned()
    }
}
