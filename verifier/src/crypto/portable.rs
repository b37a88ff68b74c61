//! Verifies signatures with RustCrypto and our own RSA.

pub(super) use super::pss::verify as rsa_pss;
use p384::ecdsa::signature::Verifier as _;

use super::keys::{P384Key, P384Signature};

pub(super) fn p384(key: &P384Key, message: &[u8], signature: &P384Signature) -> bool {
    key.key.verify(message, &signature.0).is_ok()
}
