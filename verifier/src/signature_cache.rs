//! A bounded cache of valid signatures on certificates, by the digests of both certificates. It never caches verdicts:
//! everything except the signature is checked each time.

use alloc::vec::Vec;

use quoth_attestation::Digest;
use spin::mutex::SpinMutex;

use crate::x509::{Certificate, Signed};

/// Maximum number of cached signatures: enough for about fifty enclaves.
const ROOM: usize = 256;

/// The cache of one verifier.
#[derive(Default)]
pub(crate) struct SignatureCache {
    /// By issuer and issued certificate.
    signatures: Lru<[Digest; 2]>,
}

impl SignatureCache {
    /// True if the cache knows that `issuer` signed `issued`.
    pub(crate) fn knows(&self, issuer: &Certificate<'_>, issued: &Signed<'_>) -> bool {
        self.signatures.has(&pair(issuer, issued))
    }

    /// True if `issuer` signed `issued`, by the cache or by `verify`.
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

/// A bounded set that evicts the least recently used key. If its lock is contended, callers skip it and never wait.
struct Lru<K>(SpinMutex<Entries<K>>);

struct Entries<K> {
    /// Counts uses of the set.
    clock: u64,
    /// Keys, with their last use.
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
    /// True if the key is in the set, and marks it as used now.
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
    fn the_least_recently_used_key_is_evicted() {
        let lru = Lru::default();
        (0..ROOM).for_each(|key| lru.put(key));
        assert!(lru.has(&0));
        lru.put(ROOM);
        assert_eq!([0, 1, 2, ROOM].map(|key| lru.has(&key)), [true, false, true, true]);
        lru.put(2);
        assert!(lru.has(&3), "one that is there needs no room");
        assert_eq!(lru.0.lock().used.len(), ROOM);
        // A second `put` or a `has` counts as a use, in order.
        let present =
            (0..=ROOM).filter(|key| lru.0.lock().used.iter().any(|(known, _)| known == key)).collect::<Vec<_>>();
        present.iter().rev().for_each(|key| assert!(lru.has(key)));
        lru.put(ROOM + 1);
        assert!(!lru.has(&ROOM) && lru.has(&0));
        // Keys that were never read are evicted in the order of insertion.
        let unasked = Lru::default();
        (0..=ROOM).rev().for_each(|key| unasked.put(key));
        assert!(!unasked.has(&ROOM) && unasked.has(&0));
    }

    #[test]
    fn only_valid_signatures_are_cached() {
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
    fn a_contended_cache_is_skipped() {
        let lru = Lru::default();
        lru.put(1);
        let held = lru.0.lock();
        lru.put(2);
        assert!(!lru.has(&1));
        drop(held);
        assert_eq!([1, 2].map(|key| lru.has(&key)), [true, false]);
    }
}
