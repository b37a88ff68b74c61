//! Details of recent exchanges, for callers that asked for them: in memory, for ten minutes or one reading.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use quoth_attestation::{Digest, ExchangeId};
use zeroize::Zeroizing;

use crate::limits;
use crate::shares::{Party, Share, Shares};

/// Keeps details. Each party has its share of places and bytes, and its own oldest details make room for new ones.
pub struct DetailsStore {
    places: Arc<Shares>,
    bytes: Arc<Shares>,
    kept: Mutex<HashMap<ExchangeId, Kept>>,
}

struct Kept {
    party: Party,
    credential: Digest,
    details: Zeroizing<String>,
    since: Instant,
    _shares: [Share; 2],
}

impl DetailsStore {
    /// An empty store for `bytes` of details.
    pub fn new(bytes: usize) -> Self {
        Self { places: Shares::new(limits::DETAILS), bytes: Shares::new(bytes as u64), kept: Mutex::default() }
    }

    /// Keeps `details` for `party`, whose oldest details make room. If all places are taken and the party has none, the
    /// largest party's oldest details make room. Details that still find no room are not kept.
    pub fn put(&self, party: Party, cti: ExchangeId, credential: [u8; 32], details: String) {
        let mut kept = self.lock();
        kept.retain(|_, kept| kept.since.elapsed() < limits::DETAILS_LIFE);
        let shares = loop {
            let goes = match (self.places.take(party, 1), self.bytes.take(party, details.len() as u64)) {
                (Some(place), Some(bytes)) => break [place, bytes],
                (Some(_), None) => oldest(&kept, party),
                (None, _) => oldest(&kept, party).or_else(|| oldest_of_largest(&kept)),
            };
            let Some((cti, _)) = goes else { return };
            kept.remove(&cti);
        };
        // Compared by digest, so that timing tells nothing about the credential.
        let credential = Digest::of(&credential);
        let entry = Kept { party, credential, details: details.into(), since: Instant::now(), _shares: shares };
        kept.insert(cti, entry);
    }

    /// Takes the details out if the credential is right. They keep their shares until the last byte is dropped.
    pub fn take(&self, cti: ExchangeId, credential: &[u8]) -> Option<Bytes> {
        let mut kept = self.lock();
        let found = kept.get(&cti)?;
        if found.since.elapsed() >= limits::DETAILS_LIFE {
            kept.remove(&cti);
            return None;
        }
        if found.credential != Digest::of(credential) {
            return None;
        }
        kept.remove(&cti).map(Bytes::from_owner)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ExchangeId, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        self.details.as_bytes()
    }
}

/// A party's oldest details, and since when they are kept.
fn oldest(kept: &HashMap<ExchangeId, Kept>, party: Party) -> Option<(ExchangeId, Instant)> {
    let own = kept.iter().filter(|(_, kept)| kept.party == party);
    own.map(|(cti, kept)| (*cti, kept.since)).min_by_key(|(_, since)| *since)
}

/// The largest party's oldest details; if several parties are largest, the oldest of all of theirs.
fn oldest_of_largest(kept: &HashMap<ExchangeId, Kept>) -> Option<(ExchangeId, Instant)> {
    let mut counts = HashMap::<_, usize>::new();
    kept.values().for_each(|kept| *counts.entry(kept.party).or_default() += 1);
    let most = counts.values().copied().max()?;
    let largest = counts.into_iter().filter(|(_, count)| *count == most);
    largest.filter_map(|(party, _)| oldest(kept, party)).min_by_key(|(_, since)| *since)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const A: Party = Party::Connection(1);
    const B: Party = Party::Connection(2);

    fn cti(number: u64) -> ExchangeId {
        ExchangeId(u128::from(number).to_be_bytes())
    }

    #[test]
    fn one_reading_and_only_with_the_credential() {
        let store = DetailsStore::new(10);
        store.put(A, ExchangeId([1; 16]), [2; 32], "x".into());
        assert_eq!(store.take(ExchangeId([1; 16]), &[3; 32]), None);
        assert_eq!(store.take(ExchangeId([1; 16]), &[2; 32]).unwrap(), "x");
        assert_eq!(store.take(ExchangeId([1; 16]), &[2; 32]), None);
        assert_eq!((store.places.held(), store.bytes.held()), (0, 0));
    }

    #[test]
    fn a_party_makes_room_at_its_own_expense() {
        let store = DetailsStore::new(1 << 20);
        store.put(B, cti(0), [0; 32], "kept".into());
        for number in 1..=2 * limits::DETAILS {
            store.put(A, cti(number), [0; 32], "x".into());
        }
        assert!(store.places.held() < limits::DETAILS, "room is left for others");
        assert!(store.take(cti(1), &[0; 32]).is_none(), "its own oldest are gone");
        assert!(store.take(cti(2 * limits::DETAILS), &[0; 32]).is_some());
        assert_eq!(store.take(cti(0), &[0; 32]).unwrap(), "kept");
    }

    #[test]
    fn newcomers_replace_the_oldest_of_the_largest_party() {
        let store = DetailsStore::new(1 << 20);
        (1..=limits::DETAILS).for_each(|number| store.put(Party::Connection(number), cti(number), [0; 32], "x".into()));
        store.put(Party::Connection(0), cti(0), [0; 32], "new".into());
        assert_eq!(store.take(cti(0), &[0; 32]).unwrap(), "new");
        assert!(store.take(cti(1), &[0; 32]).is_none() && store.take(cti(2), &[0; 32]).is_some());
    }

    #[test]
    fn the_party_with_the_most_makes_room() {
        let store = DetailsStore::new(1 << 20);
        // Every party has one, and the last has two: its older one goes, though the others are older.
        let last = limits::DETAILS - 1;
        (1..=last).for_each(|number| store.put(Party::Connection(number), cti(number), [0; 32], "x".into()));
        store.put(Party::Connection(last), cti(last + 1), [0; 32], "x".into());
        store.put(Party::Connection(0), cti(0), [0; 32], "new".into());
        assert_eq!(store.take(cti(0), &[0; 32]).unwrap(), "new");
        assert!(store.take(cti(last), &[0; 32]).is_none());
        assert!(store.take(cti(1), &[0; 32]).is_some() && store.take(cti(last + 1), &[0; 32]).is_some());
    }

    #[test]
    fn what_was_taken_counts_until_it_is_dropped() {
        let store = DetailsStore::new(100);
        store.put(A, cti(1), [0; 32], "details".into());
        let taken = store.take(cti(1), &[0; 32]).unwrap();
        assert_eq!((store.places.held(), store.bytes.held()), (1, 7));
        drop(taken);
        assert_eq!((store.places.held(), store.bytes.held()), (0, 0));
    }

    #[test]
    fn bytes_are_bounded_too() {
        let store = DetailsStore::new(16);
        store.put(A, cti(1), [0; 32], "x".repeat(14));
        store.put(A, cti(2), [0; 32], "x".repeat(15));
        assert_eq!(store.take(cti(2), &[0; 32]), None, "more than there is beside the reserve");
        store.put(A, cti(3), [0; 32], "x".repeat(14));
        assert!(store.take(cti(3), &[0; 32]).is_some());
    }
}
