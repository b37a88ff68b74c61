//! Canonical JSON (RFC 8785), as far as Quoth's formats use it: objects, arrays, texts, and integers from 0 to 2^64 - 1.

mod read;
mod scan;
mod write;

pub(crate) use read::{Field, Members, read};
pub use write::Writer;
