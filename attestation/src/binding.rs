//! The 64 bytes that hardware signs: they bind a statement and the caller's nonce to a quote (`SPEC.md` §3).

use alloc::vec::Vec;
use core::fmt;

use sha2::{Digest as _, Sha512};

use crate::bounded::Blob;
use crate::cbor::Field;
use crate::{Digest, FormatError};

/// Minimum length of a nonce, in bytes.
pub const MIN_NONCE: usize = 8;
/// Maximum bytes in a nonce.
pub const MAX_NONCE: usize = 64;

const NODE: &[u8] = b"quoth/node/1\0";

/// A caller's nonce, 8 to 64 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Nonce(Blob<MIN_NONCE, MAX_NONCE>);

impl Nonce {
    /// Returns an error for a length below [`MIN_NONCE`] or above [`MAX_NONCE`].
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, FormatError> {
        let nonce = Blob::new(bytes).map(Self);
        nonce.map_err(|_| FormatError::OutOfRange { field: "nonce", expected: "8 to 64 bytes" })
    }

    /// Reads lower- or upper-case hex, the form in `?nonce=` and `quoth-nonce`.
    pub fn from_hex(text: &str) -> Result<Self, FormatError> {
        let bytes = hex::decode(text).map_err(|_| FormatError::WrongType { field: "nonce", expected: "hex" })?;
        Self::new(bytes)
    }

    /// Takes a nonce, or records that its length is wrong.
    pub(crate) fn of(field: Field<'_>) -> Self {
        Self(field.blob())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Writes lower-case hex, the form in `?nonce=` and `quoth-nonce`.
impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// SHA-512("quoth/node/1" ‖ 0x00 ‖ statement digest ‖ nonce). Without a nonce, the last part is empty.
pub fn node_binding(statement_digest: &Digest, nonce: Option<&Nonce>) -> [u8; 64] {
    let nonce = nonce.map_or(&[][..], Nonce::as_bytes);
    Sha512::new().chain_update(NODE).chain_update(statement_digest.0).chain_update(nonce).finalize().into()
}
