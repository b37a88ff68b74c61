//! The crate `coset` reads the envelopes that we write, and writes those that we read.

use coset::{
    CborSerializable as _, CoseSign1, CoseSign1Builder, HeaderBuilder, Label, TaggedCborSerializable as _, iana,
};
use ed25519_dalek::{Signature, Signer as _, SigningKey};
use proptest::prelude::*;
use quoth_attestation::FormatError;
use quoth_attestation::cose::{KeyId, Payload, Possession, Signed};
use quoth_attestation::receipt::Receipt;
use quoth_attestation::secret::SecretOrder;

use crate::support;

/// The label of `typ` (RFC 9596 §2).
const TYP: i64 = 16;

/// Any bytes.
#[derive(Debug, PartialEq)]
struct Plain(Vec<u8>);

impl Payload for Plain {
    const TYP: &'static str = "application/vnd.quoth.test";
    const MAX_BYTES: usize = 4096;

    fn encode(&self) -> Vec<u8> {
        self.0.clone()
    }

    fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        Ok(Self(bytes.to_vec()))
    }
}

fn key_id(key: &SigningKey) -> KeyId {
    KeyId::of(key.verifying_key().as_bytes())
}

fn sign<T: Payload>(key: &SigningKey, claims: T) -> Signed<T> {
    Signed::sign(claims, key_id(key), |bytes| key.sign(bytes).to_bytes()).unwrap()
}

/// An envelope by `coset`.
fn by_coset(key: &SigningKey, typ: &str, payload: Vec<u8>) -> Vec<u8> {
    let protected = HeaderBuilder::new()
        .algorithm(iana::Algorithm::Ed25519)
        .key_id(key_id(key).0.to_vec())
        .value(TYP, coset::cbor::Value::from(typ))
        .build();
    let envelope = CoseSign1Builder::new().protected(protected).payload(payload);
    envelope.create_signature(&[], |bytes| key.sign(bytes).to_bytes().to_vec()).build().to_tagged_vec().unwrap()
}

/// What `coset` reads in an envelope is what we say of it, and what it writes is the same bytes.
fn agree<T: Payload>(key: &SigningKey, signed: &Signed<T>) {
    let envelope = CoseSign1::from_tagged_slice(signed.bytes()).unwrap();
    let header = &envelope.protected.header;
    assert_eq!(header.alg, Some(coset::RegisteredLabelWithPrivate::Assigned(iana::Algorithm::Ed25519)));
    assert_eq!(header.key_id, signed.key_id().0);
    assert_eq!(header.rest, [(Label::Int(TYP), coset::cbor::Value::from(T::TYP))]);
    assert!(envelope.unprotected.is_empty());
    assert_eq!(envelope.payload.as_deref(), Some(&signed.claims().encode()[..]));
    assert_eq!(envelope.tbs_data(&[]), signed.to_be_signed());
    let verify = |signature: &[u8], bytes: &[u8]| {
        assert_eq!(signature, signed.signature());
        key.verifying_key().verify_strict(bytes, &Signature::from_slice(signature).unwrap())
    };
    envelope.verify_signature(&[], verify).unwrap();
    assert_eq!(envelope.to_tagged_vec().unwrap(), signed.bytes());
}

#[test]
fn coset_and_we_agree_on_every_kind_of_envelope() {
    let key = support::key();
    agree(&key, &support::sign(support::possession()));
    agree(&key, &support::sign(support::receipt()));
    agree(&key, &support::sign(support::upstream_receipt()));
    agree(&key, &support::sign(support::checkpoint()));
    agree(&key, &support::sign(support::checkpoint_of_version_1()));
    agree(&key, &support::sign(support::order()));

    let possession = by_coset(&key, Possession::TYP, support::possession().encode());
    assert_eq!(possession, support::sign(support::possession()).bytes());
    let receipt = by_coset(&key, Receipt::TYP, support::receipt().encode());
    assert_eq!(receipt, support::sign(support::receipt()).bytes());
    let order = by_coset(&key, SecretOrder::TYP, support::order().encode());
    assert_eq!(order, support::sign(support::order()).bytes());
}

#[test]
fn what_else_coset_can_write_is_refused() {
    let key = support::key();
    let signed = by_coset(&key, Plain::TYP, vec![1, 2, 3]);
    assert!(Signed::<Plain>::decode(&signed).is_ok());
    // Without a tag, with an unprotected header, with a detached payload, of another type.
    let envelope = || CoseSign1::from_tagged_slice(&signed).unwrap();
    let mut open = envelope();
    open.unprotected.content_type = Some(coset::ContentType::Text("text/plain".into()));
    let mut detached = envelope();
    detached.payload = None;
    for other in [
        envelope().to_vec().unwrap(),
        open.to_tagged_vec().unwrap(),
        detached.to_tagged_vec().unwrap(),
        by_coset(&key, Receipt::TYP, vec![1, 2, 3]),
    ] {
        assert!(Signed::<Plain>::decode(&other).is_err(), "{}", hex::encode(other));
    }
}

proptest! {
    #[test]
    fn envelopes_pass_in_both_directions(seed: [u8; 32], payload in prop::collection::vec(any::<u8>(), 0..600)) {
        let key = SigningKey::from_bytes(&seed);
        let signed = sign(&key, Plain(payload.clone()));
        agree(&key, &signed);
        let theirs = by_coset(&key, Plain::TYP, payload);
        prop_assert_eq!(&theirs, signed.bytes());
        prop_assert_eq!(Signed::<Plain>::decode(&theirs).unwrap(), signed);
    }

    /// We are the stricter reader: `coset` reads whatever we accept, and in the same way.
    #[test]
    fn what_we_accept_of_a_changed_envelope_coset_accepts(at: prop::sample::Index, bit in 0_u8..8) {
        let key = support::key();
        let mut bytes = sign(&key, Plain(vec![7; 40])).bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(signed) = Signed::<Plain>::decode(&bytes) {
            let envelope = CoseSign1::from_tagged_slice(&bytes).unwrap();
            prop_assert_eq!(envelope.payload.as_deref(), Some(&signed.claims().0[..]));
            prop_assert_eq!(envelope.tbs_data(&[]), signed.to_be_signed());
            prop_assert_eq!(envelope.to_tagged_vec().unwrap(), bytes);
        }
    }
}
