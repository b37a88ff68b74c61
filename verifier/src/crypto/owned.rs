//! Signature checks that another thread can run.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::SignatureCheck;
use super::keys::{P384Key, P384Signature, RSA_BYTES, RsaKey};

/// A check that borrows nothing.
pub(crate) enum OwnedCheck {
    P384 { signature: P384Signature, key: Box<P384Key>, message: Vec<u8> },
    Rsa { signature: Vec<u8>, key: Box<[u8; RSA_BYTES]>, message: Vec<u8> },
}

impl OwnedCheck {
    pub(crate) fn of(check: &SignatureCheck<'_>) -> Self {
        match *check {
            SignatureCheck::P384 { signature, key, message } => {
                Self::P384 { signature, key: Box::new(key.clone()), message: message.into() }
            }
            SignatureCheck::Rsa { signature, key, message } => {
                Self::Rsa { signature: signature.into(), key: Box::new(*key.modulus), message: message.into() }
            }
        }
    }

    pub(crate) fn holds(&self) -> bool {
        match self {
            Self::P384 { signature, key, message } => {
                SignatureCheck::P384 { signature: *signature, key, message }.holds()
            }
            Self::Rsa { signature, key, message } => {
                SignatureCheck::Rsa { signature, key: &RsaKey { modulus: key }, message }.holds()
            }
        }
    }
}
