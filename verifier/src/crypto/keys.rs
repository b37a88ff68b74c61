//! Reads public keys and signatures strictly. All libraries take them from here, so they judge the same values.

use p384::ecdsa::{Signature, VerifyingKey};
use p384::elliptic_curve::point::AffineCoordinates as _;
use p384::{AffinePoint, FieldBytes};

use crate::der::Item;

/// Length of an uncompressed point of P-384 (SEC 1 §2.3.3), in bytes.
const POINT: usize = 97;
/// The first byte of an uncompressed point.
const UNCOMPRESSED: u8 = 4;
/// Length of a coordinate, and of half a signature, in bytes.
const SCALAR: usize = 48;
/// Bytes in r and s together.
#[cfg(feature = "aws-lc-rs")]
pub(super) const P384_SIGNATURE: usize = 96;
/// Length of a modulus and of its signatures, in bytes. The only RSA keys here are AMD's, with 4096 bits.
pub(super) const RSA_BYTES: usize = 512;
/// The public exponent 65537.
pub(super) const EXPONENT: &[u8] = &[1, 0, 1];

/// A public key for ECDSA over P-384 with SHA-384 (FIPS 186-5).
#[derive(Clone, PartialEq)]
pub(crate) struct P384Key {
    #[cfg(feature = "aws-lc-rs")]
    pub(super) point: [u8; POINT],
    pub(super) key: VerifyingKey,
}

/// r and s, each from 1 to n - 1.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct P384Signature(pub(super) Signature);

/// A public key of 4096 bits for RSASSA-PSS with SHA-384, MGF1 with SHA-384 and a salt of 48 bytes (RFC 8017 §8.1).
#[derive(PartialEq)]
pub(crate) struct RsaKey<'a> {
    /// Odd; its most significant bit is set.
    pub(super) modulus: &'a [u8; RSA_BYTES],
}

impl P384Key {
    /// Reads an uncompressed point. Returns `None` for the identity, a point off the curve, or a coordinate not below the prime.
    pub(crate) fn read(point: &[u8]) -> Option<Self> {
        let point = <[u8; POINT]>::try_from(point).ok()?;
        let [UNCOMPRESSED, coordinates @ ..] = point else { return None };
        let (x, y) = coordinates.split_first_chunk::<SCALAR>()?;
        let (x, y) = (FieldBytes::from(*x), FieldBytes::try_from(y).ok()?);
        let key = VerifyingKey::from_affine(AffinePoint::from_coordinates(&x, &y).into_option()?).ok()?;
        Some(Self {
            #[cfg(feature = "aws-lc-rs")]
            point,
            key,
        })
    }
}

impl P384Signature {
    /// From r and s, 48 bytes each, most significant first.
    pub(crate) fn of_scalars(r: [u8; SCALAR], s: [u8; SCALAR]) -> Option<Self> {
        Signature::from_scalars(r, s).ok().map(Self)
    }

    /// Reads r and s from 96 bytes.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Option<Self> {
        Signature::from_slice(bytes).ok().map(Self)
    }

    /// Reads an ECDSA-Sig-Value (RFC 3279 §2.2.3) in strict DER.
    pub(crate) fn of_der(der: &[u8]) -> Option<Self> {
        let [r, s] = Item::of(der).ok()?.two_uints().ok()?;
        Self::of_scalars(scalar(r)?, scalar(s)?)
    }

    #[cfg(feature = "aws-lc-rs")]
    pub(super) fn bytes(&self) -> [u8; P384_SIGNATURE] {
        let mut bytes = [0; P384_SIGNATURE];
        bytes.copy_from_slice(&self.0.to_bytes());
        bytes
    }
}

/// Pads a number to 48 bytes.
fn scalar(number: &[u8]) -> Option<[u8; SCALAR]> {
    let mut scalar = [0; SCALAR];
    scalar.get_mut(SCALAR.checked_sub(number.len())?..)?.copy_from_slice(number);
    Some(scalar)
}

impl<'a> RsaKey<'a> {
    /// Reads an RSAPublicKey (RFC 8017 §A.1.1) in strict DER.
    pub(crate) fn read(der: &'a [u8]) -> Option<Self> {
        let [modulus, exponent] = Item::of(der).ok()?.two_uints().ok()?;
        let modulus = <&[u8; RSA_BYTES]>::try_from(modulus).ok()?;
        let fits = modulus[0] >> 7 == 1 && modulus[RSA_BYTES - 1] & 1 == 1 && exponent == EXPONENT;
        fits.then_some(Self { modulus })
    }
}
