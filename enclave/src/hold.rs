//! What the node holds for one request, from its head until the last byte of its answer has been taken or dropped.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::callers::Admitted;
use crate::limits;
use crate::shares::{Account, Share};

/// Memory, exchange slots and the caller's concurrency. The request, its exchange and each piece of the answer keep it.
pub struct Hold {
    account: Account,
    kept: Mutex<Kept>,
}

struct Kept {
    memory: Share,
    slots: Vec<Share>,
    _admitted: Admitted,
}

impl Hold {
    /// Begins with `bytes` of memory. None if the party's share is used up.
    pub fn new(account: Account, admitted: Admitted, bytes: usize) -> Option<Arc<Self>> {
        let memory = account.take(bytes)?;
        let kept = Mutex::new(Kept { memory, slots: Vec::new(), _admitted: admitted });
        Some(Arc::new(Self { account, kept }))
    }

    /// The memory budget as this request may use it.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Takes `bytes` more, until the end. Returns false and changes nothing if the party's share is used up.
    #[must_use]
    pub fn grow(&self, bytes: usize) -> bool {
        self.lock().memory.grow(bytes as u64)
    }

    /// Keeps a slot until the end.
    pub fn keep(&self, slot: Share) {
        self.lock().slots.push(slot);
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The budget has no memory left for this party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Collects a body in memory that its request pays for.
pub struct Collected<'a> {
    hold: &'a Hold,
    bytes: Vec<u8>,
}

impl<'a> Collected<'a> {
    /// An empty body.
    pub fn new(hold: &'a Hold) -> Self {
        Self { hold, bytes: Vec::new() }
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Appends `data` and pays for its memory.
    ///
    /// # Errors
    /// [`Full`] when the budget has none left.
    pub fn append(&mut self, data: &[u8]) -> Result<(), Full> {
        let missing = (self.bytes.len() + data.len()).saturating_sub(self.bytes.capacity());
        if missing > 0 {
            // Grows by a part of the whole, so that growing takes linear time. Small bodies take no more than they need.
            let step =
                if self.bytes.is_empty() { missing } else { missing.max(limits::GROWTH).max(self.bytes.len() / 4) };
            if !self.hold.grow(step) {
                return Err(Full);
            }
            self.bytes.reserve_exact(self.bytes.capacity() - self.bytes.len() + step);
        }
        self.bytes.extend_from_slice(data);
        Ok(())
    }

    /// All of it.
    pub fn finish(self) -> Bytes {
        self.bytes.into()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::shares::{Party, Shares};

    fn hold(total: u64) -> (Arc<Shares>, Arc<Hold>) {
        let memory = Shares::new(total);
        let account = Account { memory: Arc::clone(&memory), party: Party::Connection(1) };
        (memory, Hold::new(account, Admitted::default(), 10).unwrap())
    }

    #[test]
    fn what_is_collected_is_paid_for_and_given_back_at_the_end() {
        let (memory, hold) = hold(1 << 20);
        let mut collected = Collected::new(&hold);
        for _ in 0..100 {
            collected.append(&[7; 1000]).unwrap();
            assert_eq!(memory.held(), 10 + collected.bytes.capacity() as u64);
        }
        assert_eq!(collected.finish(), vec![7; 100_000]);
        drop(hold);
        assert_eq!(memory.held(), 0);
    }

    #[test]
    fn a_body_ends_where_the_budget_does() {
        // An eighth is the reserve.
        let (memory, hold) = hold(80);
        let mut collected = Collected::new(&hold);
        assert_eq!(collected.append(&[0; 61]), Err(Full));
        collected.append(&[0; 60]).unwrap();
        assert_eq!((collected.append(&[0]), collected.len()), (Err(Full), 60));
        drop(collected);
        drop(hold);
        assert_eq!(memory.held(), 0);
    }
}
