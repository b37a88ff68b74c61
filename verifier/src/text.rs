//! Formats values in refusals and checks.

use alloc::string::{String, ToString};

use quoth_attestation::binding::Nonce;

pub(crate) fn joined(texts: &mut dyn Iterator<Item = String>, between: &str) -> String {
    let mut all = texts.next().unwrap_or_default();
    for text in texts {
        all += between;
        all += &text;
    }
    all
}

/// A nonce, or `none`.
pub(crate) fn nonce_text(nonce: Option<&Nonce>) -> String {
    nonce.map_or_else(|| "none".to_string(), Nonce::to_string)
}

/// Bytes in hexadecimal, or `none`.
pub(crate) fn optional_hex(bytes: Option<&[u8]>) -> String {
    bytes.map_or_else(|| "none".to_string(), hex::encode)
}
