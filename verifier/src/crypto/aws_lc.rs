//! Signatures by aws-lc.

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, RSA_PSS_2048_8192_SHA384, UnparsedPublicKey};

use super::keys::{EXPONENT, P384Key, P384Signature, RsaKey};

pub(super) fn p384(key: &P384Key, message: &[u8], signature: &P384Signature) -> bool {
    UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, key.point).verify(message, &signature.bytes()).is_ok()
}

/// The salt must be as long as the digest.
pub(super) fn rsa_pss(key: &RsaKey<'_>, message: &[u8], signature: &[u8]) -> bool {
    let key = PublicKeyComponents { n: &key.modulus[..], e: EXPONENT };
    key.verify(&RSA_PSS_2048_8192_SHA384, message, signature).is_ok()
}
