//! Verifies the signatures of hardware evidence. With the feature `aws-lc-rs` it uses aws-lc; otherwise RustCrypto for P-384
//! and this module for RSA.

#[cfg(feature = "aws-lc-rs")]
mod aws_lc;
mod keys;
#[cfg(any(test, not(feature = "aws-lc-rs")))]
mod montgomery;
#[cfg(feature = "aws-lc-rs")]
mod owned;
#[cfg(any(test, not(feature = "aws-lc-rs")))]
mod portable;
#[cfg(any(test, not(feature = "aws-lc-rs")))]
mod pss;
#[cfg(all(test, feature = "aws-lc-rs"))]
mod tests;

#[cfg(feature = "aws-lc-rs")]
use aws_lc as library;
pub(crate) use keys::{P384Key, P384Signature, RsaKey};
#[cfg(feature = "aws-lc-rs")]
pub(crate) use owned::OwnedCheck;
#[cfg(not(feature = "aws-lc-rs"))]
use portable as library;

/// A claim that `key` signed `message`. Equal values always verify alike.
#[derive(PartialEq)]
pub(crate) enum SignatureCheck<'a> {
    P384 { signature: P384Signature, key: &'a P384Key, message: &'a [u8] },
    Rsa { signature: &'a [u8], key: &'a RsaKey<'a>, message: &'a [u8] },
}

impl SignatureCheck<'_> {
    pub(crate) fn holds(&self) -> bool {
        match self {
            Self::P384 { signature, key, message } => library::p384(key, message, signature),
            Self::Rsa { signature, key, message } => library::rsa_pss(key, message, signature),
        }
    }
}
