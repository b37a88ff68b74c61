//! The 64 bytes that hardware signs: they bind a statement, and the asker's nonce, to a quote (`SPEC.md` §3).

use alloc::vec::Vec;

use sha2::{Digest as _, Sha512};

use crate::cbor::Field;
use crate::{Digest, FormatError};

/// A nonce, when there is one, has this many bytes.
pub const NONCE_BYTES: core::ops::RangeInclusive<usize> = 8..=64;

const NODE: &[u8] = b"quoth/node/1\0";

/// A caller's nonce, 8 to 64 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Nonce(Vec<u8>);

impl Nonce {
    /// Refuses a length outside [`NONCE_BYTES`].
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, FormatError> {
        let bytes = bytes.into();
        match NONCE_BYTES.contains(&bytes.len()) {
            true => Ok(Self(bytes)),
            false => Err(FormatError::OutOfRange { field: "nonce", expected: "8 to 64 bytes" }),
        }
    }

    /// Reads lower- or upper-case hex, as it stands in `?nonce=` and `quoth-nonce`.
    pub fn from_hex(text: &str) -> Result<Self, FormatError> {
        let bytes = hex::decode(text).map_err(|_| FormatError::WrongType { field: "nonce", expected: "hex" })?;
        Self::new(bytes)
    }

    /// Of its length, or the field is wrong.
    pub(crate) fn of(field: Field<'_>) -> Self {
        Self(field.bytes((*NONCE_BYTES.start(), *NONCE_BYTES.end())))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// SHA-512("quoth/node/1" ‖ 0x00 ‖ statement digest ‖ nonce), the nonce empty when nobody sent one.
pub fn node_binding(statement_digest: &Digest, nonce: Option<&Nonce>) -> [u8; 64] {
    let nonce = nonce.map_or(&[][..], Nonce::as_bytes);
    Sha512::new().chain_update(NODE).chain_update(statement_digest.0).chain_update(nonce).finalize().into()
}
