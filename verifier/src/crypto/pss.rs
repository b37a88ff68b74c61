//! Verifies AMD's signatures: RSASSA-PSS (RFC 8017 §8.1.2) with SHA-384, MGF1 with SHA-384, a salt of 48 bytes, a modulus of
//! 4096 bits and the exponent 65537. All values are public.

use sha2::{Digest as _, Sha384};

use super::keys::{RSA_BYTES, RsaKey};
use super::montgomery::Modulus;

/// Bytes in a SHA-384 digest.
const HASH: usize = 48;
const SALT: usize = 48;
/// Length of the masked data block of an encoded message, in bytes: all but its hash and its last byte.
const BLOCK: usize = RSA_BYTES - HASH - 1;
/// The last byte of an encoded message.
const TRAILER: u8 = 0xbc;
const LIMBS: usize = RSA_BYTES / 4;

/// True if `key` signed `message`.
pub(super) fn verify(key: &RsaKey<'_>, message: &[u8], signature: &[u8]) -> bool {
    let encoded = <&[u8; RSA_BYTES]>::try_from(signature).ok().and_then(|signature| encoded(key.modulus, signature));
    encoded.is_some_and(|encoded| is_consistent(message, encoded))
}

/// RSAVP1 (RFC 8017 §5.2.2): `signature`^65537. Returns `None` if the signature is not below the modulus.
fn encoded(modulus: &[u8; RSA_BYTES], signature: &[u8; RSA_BYTES]) -> Option<[u8; RSA_BYTES]> {
    let modulus = Modulus::new(limbs(modulus))?;
    let signature = limbs(signature);
    if !modulus.exceeds(&signature) {
        return None;
    }
    let entered = modulus.enter(signature);
    let power = (0..16).fold(entered, |power, _| modulus.multiply(&power, &power));
    // The last factor is not in Montgomery form, so neither is the product.
    let power = modulus.multiply(&power, &signature);
    let mut bytes = [0; RSA_BYTES];
    for (bytes, limb) in bytes.rchunks_exact_mut(4).zip(power) {
        bytes.copy_from_slice(&limb.to_be_bytes());
    }
    Some(bytes)
}

fn limbs(bytes: &[u8; RSA_BYTES]) -> [u32; LIMBS] {
    let mut limbs = [0; LIMBS];
    for (limb, bytes) in limbs.iter_mut().zip(bytes.rchunks_exact(4)) {
        *limb = bytes.iter().fold(0, |limb, byte| limb << 8 | u32::from(*byte));
    }
    limbs
}

/// EMSA-PSS-VERIFY (RFC 8017 §9.1.2).
fn is_consistent(message: &[u8], mut encoded: [u8; RSA_BYTES]) -> bool {
    let (block, rest) = encoded.split_at_mut(BLOCK);
    let (hash, trailer) = rest.split_at(HASH);
    // The modulus has one bit more than the encoded message, so the first bit of the message is zero.
    if *trailer != [TRAILER] || block[0] >> 7 != 0 {
        return false;
    }
    // MGF1 (RFC 8017 §B.2.1).
    for (counter, block) in (0_u32..).zip(block.chunks_mut(HASH)) {
        let mask = sha384(&[hash, &counter.to_be_bytes()]);
        block.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    }
    block[0] &= 0x7f;
    let (padding, salt) = block.split_at(BLOCK - SALT);
    let [zeros @ .., 1] = padding else { return false };
    zeros.iter().all(|byte| *byte == 0) && sha384(&[&[0; 8], &sha384(&[message]), salt]) == hash
}

fn sha384(parts: &[&[u8]]) -> [u8; HASH] {
    let mut hash = Sha384::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    extern crate std;

    use alloc::vec;
    use alloc::vec::Vec;
    use std::sync::OnceLock;

    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_2048_8192_SHA384, RSA_PSS_SHA384, UnparsedPublicKey};
    use proptest::prelude::*;

    use super::*;

    fn pair() -> &'static KeyPair {
        static PAIR: OnceLock<KeyPair> = OnceLock::new();
        PAIR.get_or_init(|| KeyPair::generate(KeySize::Rsa4096).unwrap())
    }

    fn key() -> RsaKey<'static> {
        RsaKey::read(pair().public_key().as_ref()).unwrap()
    }

    fn signed(message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; RSA_BYTES];
        pair().sign(&RSA_PSS_SHA384, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    }

    /// Both libraries must agree.
    fn verifies(message: &[u8], signature: &[u8]) -> bool {
        let known = UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA384, pair().public_key()).verify(message, signature);
        let own = verify(&key(), message, signature);
        assert_eq!(own, known.is_ok());
        own
    }

    #[test]
    fn every_byte_of_an_encoded_message_counts() {
        let message = b"what is signed";
        let signature = signed(message);
        let honest = encoded(key().modulus, &signature.try_into().unwrap()).unwrap();
        assert!(is_consistent(message, honest) && !is_consistent(b"what is not", honest));
        for index in 0..RSA_BYTES {
            for bit in 0..8 {
                let mut bent = honest;
                bent[index] ^= 1 << bit;
                assert!(!is_consistent(message, bent), "{index}");
            }
        }
    }

    #[test]
    fn a_signature_is_below_the_modulus_and_as_long() {
        let signature = signed(b"");
        assert!(verifies(b"", &signature));
        assert!(!verifies(b"", key().modulus) && !verifies(b"", &[0xff; RSA_BYTES]) && !verifies(b"", &[0; RSA_BYTES]));
        assert!(!verifies(b"", &signature[1..]) && !verifies(b"", &[&[0], &signature[..]].concat()));
        // A twin with the same power that is not below the modulus, if it fits.
        assert_eq!(encoded(key().modulus, key().modulus), None);
        let mut even = *key().modulus;
        even[RSA_BYTES - 1] -= 1;
        assert_eq!(encoded(&even, &[1; RSA_BYTES]), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn aws_lc_signatures_verify_and_altered_ones_do_not(
            message in prop::collection::vec(any::<u8>(), 0..200), index in 0..RSA_BYTES, bit in 0..8_u8
        ) {
            let mut signature = signed(&message);
            prop_assert!(verifies(&message, &signature));
            prop_assert!(!verifies(&[&message[..], &[0]].concat(), &signature));
            signature[index] ^= 1 << bit;
            prop_assert!(!verifies(&message, &signature));
        }
    }
}
