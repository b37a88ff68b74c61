//! Heads: each has one encoding, and Ethereum's own arithmetic recovers the key that signed it.

use k256::ecdsa::{RecoveryId, Signature as Known, SigningKey, VerifyingKey};
use proptest::prelude::*;
use quoth_attestation::Digest;
use quoth_attestation::log::MAX_SIZE;
use quoth_attestation::log::head::{BYTES, Head, Signature, SignedHead};
use quoth_attestation::log::tree::empty_root;

fn key() -> SigningKey {
    SigningKey::from_slice(&[0x42; 32]).unwrap()
}

fn head(size: u64, closed: bool) -> Head {
    Head::new(Digest([1; 32]), size, Digest([2; 32]), 1_800_000_000, closed).unwrap()
}

fn sign(head: Head) -> SignedHead {
    let (signature, id) = key().sign_prehash_recoverable(&head.digest().0);
    let (r, s) = signature.split_bytes();
    SignedHead::new(head, Signature::new(r.into(), s.into(), id.is_y_odd()).unwrap())
}

#[test]
fn the_key_is_recovered_from_what_travels() {
    for closed in [false, true] {
        let signed = SignedHead::decode(&sign(head(5, closed)).encode()).unwrap();
        assert_eq!((signed.head().size(), signed.head().is_closed()), (5, closed));
        let signature = Known::from_scalars(*signed.signature().r(), *signed.signature().s()).unwrap();
        let id = RecoveryId::new(signed.signature().is_odd(), false);
        let recovered = VerifyingKey::recover_from_prehash(&signed.head().digest().0, &signature, id).unwrap();
        assert_eq!(recovered, *key().verifying_key());
    }
}

#[test]
fn what_is_signed_is_named() {
    let signed = sign(head(5, false)).encode();
    let message = [b"quoth/head/1\0", &signed[..81]].concat();
    assert_eq!(head(5, false).digest(), Digest::of(&message));
}

#[test]
fn sizes_and_roots_are_possible() {
    let new = |size, root| Head::new(Digest([1; 32]), size, root, 0, false);
    assert!(new(MAX_SIZE, Digest([2; 32])).is_ok());
    assert!(new(MAX_SIZE + 1, Digest([2; 32])).is_err());
    assert!(new(0, empty_root()).is_ok());
    assert!(new(0, Digest([2; 32])).is_err());
}

#[test]
fn a_signature_has_one_form() {
    let order = hex::decode("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141").unwrap();
    let half = hex::decode("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0").unwrap();
    let number = |bytes: &[u8], add: u8| {
        let mut number = <[u8; 32]>::try_from(bytes).unwrap();
        number[31] = number[31].wrapping_add(add);
        number
    };
    let (one, zero) = (number(&[0; 32], 1), [0; 32]);
    assert!(Signature::new(one, one, false).is_ok());
    assert!(Signature::new(number(&order, 0xff), one, false).is_ok());
    assert!(Signature::new(one, number(&half, 0), false).is_ok());
    for (r, s) in
        [(zero, one), (number(&order, 0), one), (one, zero), (one, number(&half, 1)), (one, number(&order, 0xff))]
    {
        assert!(Signature::new(r, s, false).is_err(), "{} {}", hex::encode(r), hex::encode(s));
    }
}

#[test]
fn other_encodings_are_refused() {
    let honest = sign(head(5, false)).encode();
    for length in [0, 145] {
        assert!(SignedHead::decode(&honest[..length]).is_err(), "{length} bytes");
    }
    assert!(SignedHead::decode(&[&honest[..], &[0]].concat()).is_err());
    let with = |place: usize, value: u8| {
        let mut bytes = honest;
        bytes[place] = value;
        SignedHead::decode(&bytes)
    };
    for flags in 2..=0xff {
        assert!(with(80, flags).is_err(), "flags {flags}");
    }
    for v in (0..27).chain(29..=0xff) {
        assert!(with(145, v).is_err(), "v {v}");
    }
    assert!(with(32, 1).is_err(), "a size of 2^56");
}

proptest! {
    #[test]
    fn whatever_decodes_is_encoded_so(bytes in prop::collection::vec(any::<u8>(), BYTES), at in 0usize..BYTES, value: u8) {
        let mut near = sign(head(5, false)).encode().to_vec();
        near[at] = value;
        for bytes in [bytes, near] {
            if let Ok(signed) = SignedHead::decode(&bytes) {
                prop_assert_eq!(&signed.encode()[..], &bytes[..]);
            }
        }
    }
}
