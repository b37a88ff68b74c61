//! Tests that both libraries agree on every signature, valid or altered.
#![allow(clippy::unwrap_used)]

use alloc::vec;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA384, RSA_PSS_SHA256, RSA_PSS_SHA384, RsaEncoding};
use p384::ecdsa::signature::Signer as _;
use p384::ecdsa::{Signature, SigningKey};

use super::keys::{EXPONENT, P384Key, P384Signature, RSA_BYTES, RsaKey};
use super::{aws_lc, portable};

const MESSAGE: &[u8] = b"what is signed";

fn p384(key: &P384Key, message: &[u8], signature: &P384Signature) -> bool {
    let fast = aws_lc::p384(key, message, signature);
    assert_eq!(fast, portable::p384(key, message, signature));
    fast
}

fn rsa_pss(key: &RsaKey, message: &[u8], signature: &[u8]) -> bool {
    let fast = aws_lc::rsa_pss(key, message, signature);
    assert_eq!(fast, portable::rsa_pss(key, message, signature));
    fast
}

#[test]
fn p384_signatures() {
    let signer = SigningKey::from_slice(&[9; 48]).unwrap();
    let key = P384Key::read(signer.verifying_key().to_sec1_point(false).as_bytes()).unwrap();
    for round in 0..32u8 {
        let signature: Signature = signer.sign(&[round]);
        let bytes = signature.to_bytes();
        assert!(p384(&key, &[round], &P384Signature::of_bytes(&bytes).unwrap()));
        assert!(!p384(&key, MESSAGE, &P384Signature::of_bytes(&bytes).unwrap()));
        // The twin with the other s is also valid, so a signature's bytes are not an identity.
        let twin = Signature::from_scalars(*signature.r(), -*signature.s()).unwrap();
        assert!(p384(&key, &[round], &P384Signature(twin)));
        for index in 0..96 {
            let mut bent = bytes;
            bent[index] ^= 1 << (round % 8);
            if let Some(bent) = P384Signature::of_bytes(&bent) {
                assert!(!p384(&key, &[round], &bent));
            }
        }
    }
}

#[test]
fn rsa_keys_are_of_4096_bits_odd_and_with_one_exponent() {
    let reads = |first: u8, last: u8, exponent: &[u8]| {
        let mut modulus = vec![0; RSA_BYTES + 1];
        (modulus[1], modulus[RSA_BYTES]) = (first, last);
        let modulus = &modulus[usize::from(first < 0x80)..];
        let length = |bytes: usize| [0x82, (bytes >> 8) as u8, bytes as u8];
        let numbers = [&[2][..], &length(modulus.len()), modulus, &[2, exponent.len() as u8], exponent].concat();
        RsaKey::read(&[&[0x30][..], &length(numbers.len()), &numbers].concat()).is_some()
    };
    assert!(reads(0x80, 1, EXPONENT) && reads(0xff, 0xff, EXPONENT));
    assert!(!reads(0x7f, 1, EXPONENT) && !reads(0x80, 2, EXPONENT) && !reads(0x80, 1, &[3]));
}

#[test]
fn rsa_signatures() {
    let pair = RsaPair::generate(KeySize::Rsa4096).unwrap();
    let key = RsaKey::read(pair.public_key().as_ref()).unwrap();
    let short = RsaPair::generate(KeySize::Rsa2048).unwrap();
    assert!(RsaKey::read(short.public_key().as_ref()).is_none());
    let sign = |encoding: &'static dyn RsaEncoding| {
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(encoding, &SystemRandom::new(), MESSAGE, &mut signature).unwrap();
        signature
    };
    let honest = sign(&RSA_PSS_SHA384);
    assert!(rsa_pss(&key, MESSAGE, &honest));
    assert!(!rsa_pss(&key, b"something else", &honest));
    assert!(!rsa_pss(&key, MESSAGE, &sign(&RSA_PSS_SHA256)));
    assert!(!rsa_pss(&key, MESSAGE, &sign(&RSA_PKCS1_SHA384)));
    for length in [0, 1, 256, 511] {
        assert!(!rsa_pss(&key, MESSAGE, &honest[..length]));
    }
    assert!(!rsa_pss(&key, MESSAGE, &[&honest[..], &[0]].concat()));
    for index in (0..512).step_by(31) {
        let mut bent = honest.clone();
        bent[index] ^= 1;
        assert!(!rsa_pss(&key, MESSAGE, &bent));
    }
    assert!(!rsa_pss(&key, MESSAGE, &[0; 512]) && !rsa_pss(&key, MESSAGE, &[0xff; 512]));
}
