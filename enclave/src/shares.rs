//! Divides scarce amounts among parties: memory, exchange slots, quotes, kept details.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::timeout;

/// One part in this many is kept for parties that hold little.
const RESERVE: u64 = 8;
/// A party holds little while it holds at most one part in this many.
const LITTLE: u64 = 256;
/// Beyond that, it may take more while it holds at most this many times what is free outside the reserve.
const FACTOR: u64 = 4;

/// Who takes a share: a configured caller, or a connection if anyone may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// A caller of the configuration, by its place there.
    Caller(usize),
    /// A client connection, by its number.
    Connection(u64),
}

/// An amount that parties share, by dynamic thresholds (Choudhury and Hahne, 1998) and a reserve.
///
/// One party alone can hold about 70 %. Only parties that hold little can use the reserve. So a newcomer finds
/// something beside any number of greedy parties, unless too many newcomers come at once.
pub struct Shares {
    total: u64,
    held: Mutex<Held>,
    /// Notified when something is given back.
    returned: Notify,
}

#[derive(Default)]
struct Held {
    all: u64,
    by: HashMap<Party, u64>,
}

/// A part that one party holds, until it is dropped.
pub struct Share {
    shares: Arc<Shares>,
    party: Party,
    amount: u64,
}

impl Shares {
    /// `total` units, all free.
    pub fn new(total: u64) -> Arc<Self> {
        Arc::new(Self { total, held: Mutex::default(), returned: Notify::new() })
    }

    /// Takes `amount` for `party`. None if not enough is free, or if the party holds too much.
    pub fn take(self: &Arc<Self>, party: Party, amount: u64) -> Option<Share> {
        self.admit(party, amount).then(|| Share { shares: Arc::clone(self), party, amount })
    }

    /// The same, but waits at most `patience` for others to give back what is missing.
    pub async fn take_within(self: &Arc<Self>, party: Party, amount: u64, patience: Duration) -> Option<Share> {
        let waiting = async {
            loop {
                let returned = self.returned.notified();
                if let Some(share) = self.take(party, amount) {
                    return share;
                }
                returned.await;
            }
        };
        timeout(patience, waiting).await.ok()
    }

    /// Units that are taken now.
    pub fn held(&self) -> u64 {
        self.lock().all
    }

    /// Units in all.
    pub fn total(&self) -> u64 {
        self.total
    }

    fn admit(&self, party: Party, amount: u64) -> bool {
        let mut held = self.lock();
        let free = self.total - held.all;
        let own = held.by.get(&party).copied().unwrap_or_default();
        let beside_reserve = free.saturating_sub(self.total / RESERVE);
        let stays_little = own.saturating_add(amount) <= (self.total / LITTLE).max(1) && amount <= free;
        let is_fair = amount <= beside_reserve && own <= beside_reserve.saturating_mul(FACTOR);
        let admitted = stays_little || is_fair;
        if admitted && amount > 0 {
            held.all += amount;
            *held.by.entry(party).or_default() += amount;
        }
        admitted
    }

    fn give_back(&self, party: Party, amount: u64) {
        let mut held = self.lock();
        held.all -= amount;
        if let Some(own) = held.by.get_mut(&party) {
            *own -= amount;
            if *own == 0 {
                held.by.remove(&party);
            }
        }
        drop(held);
        self.returned.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// Takes more. Returns false and changes nothing if [`Shares::take`] would refuse it.
    #[must_use]
    pub fn grow(&mut self, amount: u64) -> bool {
        let grown = self.shares.admit(self.party, amount);
        self.amount += if grown { amount } else { 0 };
        grown
    }

    /// Takes more or gives back, so that it holds `amount`. Returns false and changes nothing if there is not enough.
    #[must_use]
    pub fn resize(&mut self, amount: u64) -> bool {
        match self.amount.checked_sub(amount) {
            None => self.grow(amount - self.amount),
            Some(0) => true,
            Some(less) => {
                self.amount = amount;
                self.shares.give_back(self.party, less);
                true
            }
        }
    }

    /// Takes over `other`, a share of the same amount and party.
    pub fn merge(&mut self, mut other: Self) {
        debug_assert!(Arc::ptr_eq(&self.shares, &other.shares) && self.party == other.party);
        self.amount += std::mem::take(&mut other.amount);
    }

    /// Units held.
    pub fn amount(&self) -> u64 {
        self.amount
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.amount > 0 {
            self.shares.give_back(self.party, self.amount);
        }
    }
}

/// The memory budget as one party may use it. Units are bytes.
#[derive(Clone)]
pub struct Account {
    /// The budget.
    pub memory: Arc<Shares>,
    /// Who pays.
    pub party: Party,
}

impl Account {
    /// Takes memory for `bytes`, if this party may have it.
    pub fn take(&self, bytes: usize) -> Option<Share> {
        self.memory.take(self.party, bytes as u64)
    }

    /// The same, but waits for at most `patience`.
    pub async fn take_within(&self, bytes: usize, patience: Duration) -> Option<Share> {
        self.memory.take_within(self.party, bytes as u64, patience).await
    }
}

/// Returns `bytes` that keep `guard` until their last part is dropped, wherever that happens.
pub fn guarded(bytes: Bytes, guard: impl Send + 'static) -> Bytes {
    struct Guarded<G>(Bytes, G);

    impl<G> AsRef<[u8]> for Guarded<G> {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    Bytes::from_owner(Guarded(bytes, guard))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    const A: Party = Party::Connection(1);
    const B: Party = Party::Connection(2);

    fn all_it_gets(shares: &Arc<Shares>, party: u64) -> Vec<Share> {
        std::iter::from_fn(|| shares.take(Party::Connection(party), 1)).collect()
    }

    #[test]
    fn one_party_alone_gets_most_of_it() {
        let shares = Shares::new(2048);
        let held = all_it_gets(&shares, 1);
        assert_eq!(held.len(), 1434, "four fifths of what is outside the reserve, and one");
        assert!(shares.take(B, 1).is_some());
    }

    #[test]
    fn a_newcomer_finds_something_beside_greedy_parties() {
        let shares = Shares::new(2048);
        let greedy: Vec<_> = (0..20).map(|party| all_it_gets(&shares, party)).collect();
        assert!(greedy.iter().all(|held| held.len() >= 8));
        assert_eq!(all_it_gets(&shares, 100).len(), 8, "what counts as little");
    }

    #[test]
    fn few_units_are_all_to_be_had() {
        for total in 1..=5 {
            assert_eq!(all_it_gets(&Shares::new(total), 1).len() as u64, total);
        }
    }

    #[test]
    fn the_whole_is_the_limit() {
        let shares = Shares::new(1);
        let all = shares.take(A, 1).unwrap();
        assert!(shares.take(B, 1).is_none());
        drop(all);
        assert!(shares.take(B, 1).is_some());
        assert!(shares.take(A, 2).is_none());
    }

    #[test]
    fn a_share_grows_and_comes_back_whole() {
        let shares = Shares::new(16);
        let mut share = shares.take(A, 1).unwrap();
        assert!(share.grow(13) && !share.grow(1), "the rest is the reserve");
        assert!(share.resize(4) && share.resize(4) && share.resize(6) && !share.resize(17));
        assert_eq!((share.amount(), shares.held()), (6, 6));
        drop(share);
        assert_eq!(shares.held(), 0);
        let mut first = shares.take(A, 3).unwrap();
        first.merge(shares.take(A, 2).unwrap());
        assert_eq!((first.amount(), shares.held()), (5, 5));
        drop(first);
        assert_eq!(shares.held(), 0);
    }

    #[test]
    fn bytes_keep_their_share_until_the_last_part_is_dropped() {
        let shares = Shares::new(20);
        let mut bytes = guarded(Bytes::from_static(b"0123456789"), shares.take(A, 10).unwrap());
        let part = bytes.split_to(3);
        drop(bytes);
        assert_eq!((&part[..], shares.held()), (&b"012"[..], 10));
        drop(part);
        assert_eq!(shares.held(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_gets_what_comes_back() {
        let shares = Shares::new(1);
        let all = shares.take(A, 1).unwrap();
        assert!(shares.take_within(B, 1, Duration::from_secs(5)).await.is_none());
        let waiting = tokio::spawn({
            let shares = Arc::clone(&shares);
            async move { shares.take_within(B, 1, Duration::from_secs(5)).await.is_some() }
        });
        tokio::task::yield_now().await;
        drop(all);
        assert!(waiting.await.unwrap());
    }

    proptest! {
        #[test]
        fn never_more_than_the_whole_and_nothing_is_lost(steps in prop::collection::vec((0u64..4, 0u64..40, any::<bool>()), 0..60)) {
            let shares = Shares::new(100);
            let mut held: Vec<Share> = Vec::new();
            for (party, amount, gives_back) in steps {
                if gives_back && !held.is_empty() {
                    held.swap_remove(amount as usize % held.len());
                }
                held.extend(shares.take(Party::Connection(party), amount));
                prop_assert_eq!(shares.held(), held.iter().map(Share::amount).sum::<u64>());
                prop_assert!(shares.held() <= 100);
            }
            held.clear();
            prop_assert_eq!(shares.held(), 0);
            prop_assert!(shares.lock().by.is_empty());
        }
    }
}
