//! A bounded cache of signatures on certificates that held, by the digests of both certificates. Verdicts are never cached:
//! everything but the signature is checked each time.

use alloc::vec::Vec;

use quoth_attestation::Digest;
use spin::mutex::SpinMutex;

use crate::x509::{Certificate, Signed};

/// Signatures kept, at most: those of some fifty enclaves.
const ROOM: usize = 256;

/// The cache of one verifier.
#[derive(Default)]
pub(crate) struct SignatureCache {
    /// By issuer and issued.
    signatures: Lru<[Digest; 2]>,
}

impl SignatureCache {
    /// Whether the cache has that `issuer` signed `issued`.
    pub(crate) fn knows(&self, issuer: &Certificate<'_>, issued: &Signed<'_>) -> bool {
        self.signatures.has(&pair(issuer, issued))
    }

    /// Whether `issuer` signed `issued`: the cache has it, or `verify` says so.
    pub(crate) fn signed(&self, issuer: &Certificate<'_>, issued: &Signed<'_>, verify: impl FnOnce() -> bool) -> bool {
        let pair = pair(issuer, issued);
        if self.signatures.has(&pair) {
            return true;
        }
        let holds = verify();
        if holds {
            self.signatures.put(pair);
        }
        holds
    }
}

fn pair(issuer: &Certificate<'_>, issued: &Signed<'_>) -> [Digest; 2] {
    [issuer.signed.digest, issued.digest]
}

/// A bounded set that forgets what was used least recently. If its lock is contended, callers skip it and never wait.
struct Lru<K>(SpinMutex<Entries<K>>);

struct Entries<K> {
    /// Counts uses.
    clock: u64,
    /// The last use of each.
    used: Vec<(K, u64)>,
}

impl<K> Default for Lru<K> {
    fn default() -> Self {
        Self(SpinMutex::new(Entries { clock: 0, used: Vec::new() }))
    }
}

impl<K: PartialEq + Copy> Lru<K> {
    fn has(&self, key: &K) -> bool {
        let Some(mut entries) = self.0.try_lock() else { return false };
        entries.meet(key)
    }

    fn put(&self, key: K) {
        let Some(mut entries) = self.0.try_lock() else { return };
        if entries.meet(&key) {
            return;
        }
        if entries.used.len() == ROOM {
            let oldest = entries.used.iter().enumerate().min_by_key(|(_, (_, used))| *used).map(|(at, _)| at);
            oldest.map(|at| entries.used.swap_remove(at));
        }
        let now = entries.clock;
        entries.used.push((key, now));
    }
}

impl<K: PartialEq> Entries<K> {
    /// Whether the key is there; if so, it was used now.
    fn meet(&mut self, key: &K) -> bool {
        self.clock += 1;
        let found = self.used.iter_mut().find(|(known, _)| known == key);
        found.map(|(_, used)| *used = self.clock).is_some()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn what_was_used_least_recently_is_forgotten() {
        let lru = Lru::default();
        (0..ROOM).for_each(|key| lru.put(key));
        assert!(lru.has(&0));
        lru.put(ROOM);
        assert_eq!([0, 1, 2, ROOM].map(|key| lru.has(&key)), [true, false, true, true]);
        lru.put(2);
        assert!(lru.has(&3), "one that is there needs no room");
        assert_eq!(lru.0.lock().used.len(), ROOM);
        // What is met again counts as used, in the order of the meetings.
        let present =
            (0..=ROOM).filter(|key| lru.0.lock().used.iter().any(|(known, _)| known == key)).collect::<Vec<_>>();
        present.iter().rev().for_each(|key| assert!(lru.has(key)));
        lru.put(ROOM + 1);
        assert!(!lru.has(&ROOM) && lru.has(&0));
        // What was never asked for is forgotten in the order in which it came.
        let unasked = Lru::default();
        (0..=ROOM).rev().for_each(|key| unasked.put(key));
        assert!(!unasked.has(&ROOM) && unasked.has(&0));
    }

    #[test]
    fn only_signatures_that_held_are_remembered() {
        let ders = [(); 2].map(|()| rcgen::generate_simple_self_signed(["a".into()]).unwrap().cert);
        let [issuer, other] = [&ders[0], &ders[1]].map(|der| Certificate::parse(der.der()).unwrap());
        let memory = SignatureCache::default();
        assert!(!memory.signed(&issuer, &other.signed, || false));
        assert!(!memory.knows(&issuer, &other.signed));
        assert!(memory.signed(&issuer, &other.signed, || true), "asked again after a refusal");
        assert!(memory.signed(&issuer, &other.signed, || unreachable!("it held")));
        assert!(memory.knows(&issuer, &other.signed));
        assert!(!memory.signed(&other, &issuer.signed, || false));
        assert!(!memory.signed(&issuer, &issuer.signed, || false));
    }

    #[test]
    fn a_memory_in_use_is_done_without() {
        let lru = Lru::default();
        lru.put(1);
        let held = lru.0.lock();
        lru.put(2);
        assert!(!lru.has(&1));
        drop(held);
        assert_eq!([1, 2].map(|key| lru.has(&key)), [true, false]);
    }
}
