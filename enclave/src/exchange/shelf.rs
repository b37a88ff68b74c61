use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use quoth_attestation::Digest;
use zeroize::Zeroizing;

use crate::limits;

/// Details of recent exchanges, for callers that asked for them: in memory, for ten minutes or one reading.
#[derive(Default)]
pub struct Shelf(Mutex<HashMap<[u8; 16], Kept>>);

struct Kept {
    credential: Digest,
    details: Zeroizing<String>,
    since: Instant,
}

impl Shelf {
    /// Keeps `details`; the oldest make room.
    pub fn put(&self, cti: [u8; 16], credential: [u8; 32], details: String) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, kept| kept.since.elapsed() < limits::DETAILS_LIFE);
        let held = |kept: &HashMap<_, Kept>| kept.values().map(|kept| kept.details.len()).sum::<usize>();
        if details.len() > limits::DETAILS_BYTES {
            return;
        }
        while kept.len() >= limits::DETAILS || held(&kept) + details.len() > limits::DETAILS_BYTES {
            let oldest = kept.iter().min_by_key(|(_, kept)| kept.since).map(|(cti, _)| *cti);
            oldest.map(|cti| kept.remove(&cti));
        }
        // Compared by digest, so that time tells nothing of the credential.
        kept.insert(cti, Kept { credential: Digest::of(&credential), details: details.into(), since: Instant::now() });
    }

    /// Takes the details away, if the credential opens them.
    pub fn take(&self, cti: &[u8; 16], credential: &[u8]) -> Option<Zeroizing<String>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.get(cti)?;
        if found.since.elapsed() >= limits::DETAILS_LIFE {
            kept.remove(cti);
            return None;
        }
        if found.credential != Digest::of(credential) {
            return None;
        }
        kept.remove(cti).map(|kept| kept.details)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn one_reading_and_only_with_the_credential() {
        let shelf = Shelf::default();
        shelf.put([1; 16], [2; 32], "x".into());
        assert_eq!(shelf.take(&[1; 16], &[3; 32]), None);
        assert_eq!(shelf.take(&[1; 16], &[2; 32]).unwrap().as_str(), "x");
        assert_eq!(shelf.take(&[1; 16], &[2; 32]), None);
    }

    #[test]
    fn it_is_bounded() {
        let shelf = Shelf::default();
        for index in 0..limits::DETAILS as u128 + 1 {
            shelf.put(index.to_be_bytes(), [0; 32], String::new());
        }
        assert_eq!(shelf.0.lock().unwrap().len(), limits::DETAILS);
        assert_eq!(shelf.take(&0u128.to_be_bytes(), &[0; 32]), None);
    }
}
