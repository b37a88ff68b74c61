//! Deterministic CBOR (RFC 8949 §4.2.1), as far as Quoth's formats use it: integers, byte and text strings,
//! arrays, maps and booleans.
//!
//! [`decode`] first walks the bytes once and refuses everything that has another, shorter or
//! ordered-differently encoding, each by its own error; only then does the library decoder see them.

mod fields;
mod scan;
mod write;

use alloc::vec::Vec;

pub use ciborium::Value;
pub use fields::{Field, Fields, Map};
pub(crate) use write::Writer;

use crate::FormatError;

/// Arrays and maps inside each other, at most.
pub const MAX_DEPTH: usize = 8;

/// Decodes exactly one deterministic CBOR item of at most `limit` bytes.
pub fn decode(bytes: &[u8], limit: usize) -> Result<Value, FormatError> {
    scan::deterministic(bytes, limit)?;
    // safe to map: the scan accepts only well-formed items, so this arm is unreachable in practice
    ciborium::from_reader(bytes).map_err(|_| FormatError::NotCanonical)
}

/// Encodes a value; deterministic when its maps were made by [`Map`].
pub fn encode(value: &Value) -> Vec<u8> {
    Writer::new().value(value).finish()
}

#[cfg(test)]
mod tests;
