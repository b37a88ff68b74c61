//! The signatures that hardware verdicts rest on, by one of two libraries: RustCrypto everywhere, aws-lc with the feature
//! `fast`. Keys and signatures are read by RustCrypto either way, so that both judge the same things.

#[cfg(feature = "fast")]
mod aws_lc;
#[cfg(feature = "fast")]
mod owned;
mod rust_crypto;
#[cfg(all(test, feature = "fast"))]
mod tests;

#[cfg(feature = "fast")]
use aws_lc as library;
#[cfg(feature = "fast")]
pub(crate) use owned::OwnedCheck;
use p384::ecdsa::{Signature, VerifyingKey};
use rsa::pkcs1::RsaPublicKeyRef;
#[cfg(not(feature = "fast"))]
use rust_crypto as library;

/// An uncompressed point of P-384 (SEC 1 §2.3.3), bytes.
const POINT: usize = 97;
/// r and s, bytes.
#[cfg(feature = "fast")]
const P384_SIGNATURE: usize = 96;

/// A public key for ECDSA over P-384 with SHA-384 (FIPS 186-5).
#[derive(Clone, PartialEq)]
pub(crate) struct P384Key {
    #[cfg(feature = "fast")]
    point: [u8; POINT],
    key: VerifyingKey,
}

/// r and s, each from 1 to n - 1.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct P384Signature(Signature);

/// A public key for RSASSA-PSS with SHA-384, MGF1 with SHA-384 and a salt of 48 bytes (RFC 8017 §8.1).
#[derive(PartialEq)]
pub(crate) struct RsaKey<'a> {
    /// RSAPublicKey (RFC 8017 §A.1.1), DER.
    der: &'a [u8],
}

/// That a key has signed a message, as somebody says. Two of them are equal when all that the answer depends on is.
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

impl P384Key {
    /// Reads an uncompressed point; none for the identity, points off the curve, coordinates not below the prime.
    pub(crate) fn read(point: &[u8]) -> Option<Self> {
        let point = <[u8; POINT]>::try_from(point).ok()?;
        let key = VerifyingKey::from_sec1_bytes(&point).ok()?;
        Some(Self {
            #[cfg(feature = "fast")]
            point,
            key,
        })
    }
}

impl P384Signature {
    /// From r and s, each 48 bytes, most significant first.
    pub(crate) fn of_scalars(r: [u8; 48], s: [u8; 48]) -> Option<Self> {
        Signature::from_scalars(r, s).ok().map(Self)
    }

    /// From 96 bytes.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Option<Self> {
        Signature::from_slice(bytes).ok().map(Self)
    }

    /// From ECDSA-Sig-Value (RFC 3279 §2.2.3), strict DER.
    pub(crate) fn of_der(der: &[u8]) -> Option<Self> {
        Signature::from_der(der).ok().map(Self)
    }

    #[cfg(feature = "fast")]
    fn bytes(&self) -> [u8; P384_SIGNATURE] {
        let mut bytes = [0; P384_SIGNATURE];
        bytes.copy_from_slice(&self.0.to_bytes());
        bytes
    }
}

impl<'a> RsaKey<'a> {
    /// Reads an RSAPublicKey of exactly `bits`, with the exponent 65537 that everybody uses.
    pub(crate) fn read(der: &'a [u8], bits: usize) -> Option<Self> {
        let key = RsaPublicKeyRef::try_from(der).ok()?;
        // Without leading zeros, so that its length tells its size.
        let modulus = key.modulus.as_bytes();
        let fits =
            modulus.len() * 8 == bits && modulus.first()? >> 7 == 1 && key.public_exponent.as_bytes() == [1, 0, 1];
        fits.then_some(Self { der })
    }
}
