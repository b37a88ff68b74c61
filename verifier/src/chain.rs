//! Verifies chains of receipts: their order, and which ones are missing.

use alloc::vec::Vec;

use quoth_attestation::Digest;

use crate::{Refusal, VerifiedNode, VerifiedReceipt};

/// What a chain of receipts shows. It covers neither receipts after its last one nor other instances of the same image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainReport {
    receipts: u64,
    first: Option<u64>,
    last: Option<u64>,
    head: Digest,
    gaps: Vec<Gap>,
}

/// A run of receipts that were issued but not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Position of the first missing one.
    pub first: u64,
    /// Number of missing receipts.
    pub count: u64,
}

impl ChainReport {
    /// Number of receipts verified.
    pub fn receipts(&self) -> u64 {
        self.receipts
    }

    /// Position of the first receipt; `None` if there are no receipts.
    pub fn first(&self) -> Option<u64> {
        self.first
    }

    /// Position of the last receipt; `None` if there are no receipts.
    pub fn last(&self) -> Option<u64> {
        self.last
    }

    /// Digest of the last receipt's payload; without receipts, of the statement.
    pub fn head(&self) -> Digest {
        self.head
    }

    /// The gaps before the last receipt, in order.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// Returns true if every receipt from the instance's start to the last one was given.
    pub fn is_whole(&self) -> bool {
        self.gaps.is_empty()
    }
}

/// Verifies receipts of one instance in the order of their positions. It reports missing receipts, and refuses reordered,
/// repeated and altered ones.
///
/// # Errors
/// `chain.order`, `chain.prev`, or the [`Refusal`] of a receipt that does not verify by itself.
pub fn verify_chain<'a>(node: &VerifiedNode, receipts: impl Iterator<Item = &'a [u8]>) -> Result<ChainReport, Refusal> {
    let mut report = ChainReport { receipts: 0, first: None, last: None, head: node.digest(), gaps: Vec::new() };
    for cose in receipts {
        report.take(&node.verify_receipt(cose)?)?;
    }
    Ok(report)
}

impl ChainReport {
    fn take(&mut self, receipt: &VerifiedReceipt) -> Result<(), Refusal> {
        let (seq, prev) = (receipt.claims().seq, receipt.claims().prev);
        let next = match self.last {
            None => 0,
            Some(previous) if seq <= previous => return Err(Refusal::ChainOrder { previous, actual: seq }),
            // safe arithmetic: `previous` is less than `seq`
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
