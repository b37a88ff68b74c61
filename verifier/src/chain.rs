//! Do these receipts follow each other, and which are missing?

use alloc::vec::Vec;

use quoth_attestation::Digest;

use crate::{Refusal, VerifiedNode, VerifiedReceipt};

/// What a chain of receipts shows. It cannot show what came after its last one, nor other instances of the same image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainReport {
    /// Receipts verified.
    pub receipts: u64,
    /// Position of the first one; `None` when there is none.
    pub first: Option<u64>,
    /// Position of the last one.
    pub last: Option<u64>,
    /// Digest of the last one's payload; of the statement when there is none.
    pub head: Digest,
    /// What is missing before the last one, in order.
    pub gaps: Vec<Gap>,
}

/// Receipts that were issued and are not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Position of the first missing one.
    pub first: u64,
    /// How many are missing.
    pub count: u64,
}

impl ChainReport {
    /// Whether every receipt from the instance's start to the last one is here.
    pub fn is_whole(&self) -> bool {
        self.gaps.is_empty()
    }
}

/// Verifies receipts of one instance in the order of their positions. A missing one is reported, a reordered, repeated or
/// altered one refused.
///
/// # Errors
/// `chain.order`, `chain.prev`, or the [`Refusal`] of a receipt that does not verify by itself.
pub fn verify_chain<'a>(node: &VerifiedNode, receipts: impl Iterator<Item = &'a [u8]>) -> Result<ChainReport, Refusal> {
    let mut report = ChainReport { receipts: 0, first: None, last: None, head: node.digest(), gaps: Vec::new() };
    for cose in receipts {
        report.take(&node.receipt(cose)?)?;
    }
    Ok(report)
}

impl ChainReport {
    fn take(&mut self, receipt: &VerifiedReceipt) -> Result<(), Refusal> {
        let (seq, prev) = (receipt.claims().seq, receipt.claims().prev);
        let next = match self.last {
            None => 0,
            Some(previous) if seq <= previous => return Err(Refusal::ChainOrder { previous, actual: seq }),
            // safe arithmetic: `previous` is below `seq`
            Some(previous) => previous + 1,
        };
        if seq == next && prev != self.head {
            return Err(Refusal::ChainPrev { seq, expected: self.head.into(), actual: prev.into() });
        }
        if seq > next {
            self.gaps.push(Gap { first: next, count: seq - next });
        }
        self.receipts += 1;
        self.first.get_or_insert(seq);
        self.last = Some(seq);
        self.head = receipt.digest();
        Ok(())
    }
}
