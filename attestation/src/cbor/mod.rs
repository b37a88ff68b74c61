//! Deterministic CBOR (RFC 8949 §4.2.1), limited to what Quoth's formats use: integers, byte and text strings,
//! arrays, maps and booleans.
//!
//! [`decode`] refuses any other encoding of a value (longer heads, other key order), with an error for each case.

mod fields;
mod reader;
mod value;
mod write;

use alloc::vec::Vec;

pub use fields::Map;
pub(crate) use fields::{Field, Fields, read};
pub use reader::MAX_DEPTH;
pub use value::Value;
pub(crate) use write::Writer;

use crate::FormatError;

/// Decodes exactly one deterministic CBOR item of at most `limit` bytes.
pub fn decode(bytes: &[u8], limit: usize) -> Result<Value<'_>, FormatError> {
    reader::deterministic(bytes, limit)
}

/// Encodes a value. The encoding is deterministic if [`Map`] made all its maps.
pub fn encode(value: &Value<'_>) -> Vec<u8> {
    Writer::new().value(value).finish()
}

#[cfg(test)]
mod tests;
