//! Verifies Ed25519 (RFC 8032 §5.1.7) by rules on which all back-ends agree: canonical encodings only, no key or nonce
//! point of small order, S reduced.

use ed25519_dalek::{Signature, VerifyingKey};
use quoth_attestation::cose::{KeyId, Payload, Signed};

/// A valid receipt key.
#[derive(Clone)]
pub(crate) struct ReceiptKey {
    key: VerifyingKey,
    id: KeyId,
}

impl ReceiptKey {
    /// Returns `None` if the bytes are not a canonical point, or a point of small order.
    pub(crate) fn new(bytes: &[u8; 32]) -> Option<Self> {
        let key = VerifyingKey::from_bytes(bytes).ok()?;
        (is_canonical(bytes) && !key.is_weak()).then(|| Self { key, id: KeyId::of(bytes) })
    }

    /// True if this key signed the envelope and the envelope names this key.
    pub(crate) fn signed<T: Payload>(&self, envelope: &Signed<T>) -> bool {
        let signature = envelope.signature();
        let (point, _) = signature.split_at(32);
        envelope.key_id() == self.id
            && point.try_into().is_ok_and(is_canonical)
            && self.key.verify_strict(envelope.to_be_signed(), &Signature::from_bytes(signature)).is_ok()
    }
}

/// True if the y coordinate is below the field's prime, 2^255 - 19.
fn is_canonical(point: &[u8; 32]) -> bool {
    let [first, middle @ .., last] = point;
    last & 0x7f != 0x7f || middle.iter().any(|byte| *byte != 0xff) || *first < 0xed
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn key(hex: &str) -> Option<ReceiptKey> {
        ReceiptKey::new(&hex::decode(hex).unwrap().try_into().unwrap())
    }

    #[test]
    fn sound_keys_only() {
        // RFC 8032 §7.1, test 1.
        assert!(key("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a").is_some());
        // The identity, a point of order 2, one of order 8.
        assert!(key("0100000000000000000000000000000000000000000000000000000000000000").is_none());
        assert!(key("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f").is_none());
        assert!(key("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05").is_none());
        // Not a point of the curve.
        assert!(key("0200000000000000000000000000000000000000000000000000000000000000").is_none());
    }

    #[test]
    fn coordinates_below_the_prime_only() {
        let mut prime = [0xff; 32];
        (prime[0], prime[31]) = (0xed, 0x7f);
        assert!(!is_canonical(&prime));
        prime[31] = 0xff;
        assert!(!is_canonical(&prime));
        prime[0] = 0xec;
        assert!(is_canonical(&prime));
        prime[0] = 0xff;
        prime[31] = 0x7e;
        assert!(is_canonical(&prime));
        prime[31] = 0x7f;
        prime[15] = 0;
        assert!(is_canonical(&prime));
    }
}
