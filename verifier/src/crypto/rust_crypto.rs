use p384::ecdsa::signature::Verifier as _;
use rsa::RsaPublicKey;
use rsa::pkcs1::DecodeRsaPublicKey as _;
use rsa::pss::{Signature, VerifyingKey};
use sha2::Sha384;

use super::{P384Key, P384Signature, RsaKey};

const SALT: usize = 48;

#[cfg_attr(feature = "fast", allow(dead_code, reason = "compared with the other library in tests"))]
pub(super) fn p384(key: &P384Key, message: &[u8], signature: &P384Signature) -> bool {
    key.key.verify(message, &signature.0).is_ok()
}

#[cfg_attr(feature = "fast", allow(dead_code, reason = "compared with the other library in tests"))]
pub(super) fn rsa_pss(key: &RsaKey<'_>, message: &[u8], signature: &[u8]) -> bool {
    let (Ok(key), Ok(signature)) = (RsaPublicKey::from_pkcs1_der(key.der), Signature::try_from(signature)) else {
        return false;
    };
    VerifyingKey::<Sha384>::new_with_salt_len(key, SALT).verify(message, &signature).is_ok()
}
