//! What a verifier remembers from one piece of evidence to the next: certificates it has read, signatures that held. Both are
//! kept by the digest of everything that they depend on; names, constraints, pins and times are checked anew each time.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use quoth_attestation::Digest;
use spin::mutex::SpinMutex;

use crate::x509::Certificate;

/// Certificates and signatures kept, at most: those of some fifty enclaves, about a megabyte.
const ROOM: usize = 256;

/// The memory of one verifier.
#[derive(Default)]
pub(crate) struct Memory {
    certificates: Lru<Digest, Arc<Certificate>>,
    signatures: Lru<[Digest; 2], ()>,
}

impl Memory {
    /// Reads a certificate, or finds it read.
    pub(crate) fn certificate(&self, der: &[u8]) -> Result<Arc<Certificate>, &'static str> {
        let digest = Digest::of(der);
        if let Some(known) = self.certificates.get(&digest) {
            return Ok(known);
        }
        let read = Arc::new(Certificate::parse(der)?);
        self.certificates.put(digest, Arc::clone(&read));
        Ok(read)
    }

    /// Whether `issuer` has signed what has this digest: `verify` says so, now or earlier.
    pub(crate) fn signed(&self, issuer: &Certificate, issued: Digest, verify: impl FnOnce() -> bool) -> bool {
        let pair = [issuer.digest, issued];
        if self.signatures.get(&pair).is_some() {
            return true;
        }
        let holds = verify();
        if holds {
            self.signatures.put(pair, ());
        }
        holds
    }
}

/// A bounded map that forgets what was used least recently. Whoever finds it in use goes on without it: nobody waits.
struct Lru<K, V>(SpinMutex<Entries<K, V>>);

struct Entries<K, V> {
    /// Counts uses.
    clock: u64,
    /// By key, each with its last use.
    map: BTreeMap<K, (u64, V)>,
}

impl<K, V> Default for Lru<K, V> {
    fn default() -> Self {
        Self(SpinMutex::new(Entries { clock: 0, map: BTreeMap::new() }))
    }
}

impl<K: Ord + Clone, V: Clone> Lru<K, V> {
    fn get(&self, key: &K) -> Option<V> {
        let mut entries = self.0.try_lock()?;
        entries.clock += 1;
        let now = entries.clock;
        let (used, value) = entries.map.get_mut(key)?;
        *used = now;
        Some(value.clone())
    }

    fn put(&self, key: K, value: V) {
        let Some(mut entries) = self.0.try_lock() else { return };
        entries.clock += 1;
        let now = entries.clock;
        if entries.map.len() == ROOM && !entries.map.contains_key(&key) {
            let oldest = entries.map.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| key.clone());
            oldest.and_then(|oldest| entries.map.remove(&oldest));
        }
        entries.map.insert(key, (now, value));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_was_used_least_recently_is_forgotten() {
        let lru = Lru::default();
        (0..ROOM).for_each(|key| lru.put(key, key));
        assert_eq!(lru.get(&0), Some(0));
        lru.put(ROOM, ROOM);
        assert_eq!((lru.get(&0), lru.get(&1), lru.get(&2), lru.get(&ROOM)), (Some(0), None, Some(2), Some(ROOM)));
        lru.put(2, 7);
        assert_eq!((lru.get(&2), lru.get(&3)), (Some(7), Some(3)), "one that is there needs no room");
        assert_eq!(lru.0.lock().map.len(), ROOM);
    }

    #[test]
    fn only_signatures_that_held_are_remembered() {
        let der = rcgen::generate_simple_self_signed(["a".into()]).unwrap().cert;
        let (memory, other) = (Memory::default(), Digest::of(b"other"));
        let issuer = memory.certificate(der.der()).unwrap();
        assert!(Arc::ptr_eq(&issuer, &memory.certificate(der.der()).unwrap()));
        assert!(!memory.signed(&issuer, other, || false));
        assert!(memory.signed(&issuer, other, || true), "asked again after a refusal");
        assert!(memory.signed(&issuer, other, || unreachable!("it held")));
        assert!(!memory.signed(&issuer, Digest::of(b"a third"), || false));
    }

    #[test]
    fn a_memory_in_use_is_done_without() {
        let lru = Lru::default();
        lru.put(1, 1);
        let held = lru.0.lock();
        lru.put(2, 2);
        assert_eq!(lru.get(&1), None);
        drop(held);
        assert_eq!((lru.get(&1), lru.get(&2)), (Some(1), None));
    }
}
