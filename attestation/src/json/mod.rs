//! Canonical JSON (RFC 8785), limited to what Quoth's formats use: objects, arrays, texts, booleans, and integers from 0 to
//! 2^64 - 1.
//!
//! [`parse`] checks a text and borrows the values in it; [`Writer`] writes one.

mod read;
mod scan;
#[cfg(test)]
mod tests;
mod value;
mod write;

pub(crate) use read::{Field, Members, read};
pub use value::{Value, parse};
pub use write::Writer;
