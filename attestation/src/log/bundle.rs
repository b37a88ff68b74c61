//! Bundles: how a store holds 256 entries, and the receipts behind them (C2SP tlog-tiles).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::tile::Span;
use crate::cose::{OVERHEAD, Payload as _};
use crate::receipt::Receipt;
use crate::{Digest, FormatError};

/// Maximum bytes of one receipt in its envelope.
pub const MAX_RECEIPT: usize = Receipt::MAX_BYTES + OVERHEAD;
const ENTRY: usize = 32;

/// Returns the path of a bundle of entries: `tile/entries/INDEX`, with `.p/WIDTH` unless it is full.
pub fn entries_path(span: &Span) -> String {
    format!("tile/entries/{}", span.path())
}

/// Returns the path of a bundle of receipts: `receipts/INDEX`, with `.p/WIDTH` unless it is full.
pub fn receipts_path(span: &Span) -> String {
    format!("receipts/{}", span.path())
}

/// Encodes entries: the length of each, two bytes, most significant first, and its 32 bytes.
pub fn encode_entries(entries: &[Digest]) -> Vec<u8> {
    let mut bundle = Vec::with_capacity(entries.len() * (2 + ENTRY));
    entries.iter().for_each(|entry| put(&mut bundle, &entry.0));
    bundle
}

/// Decodes a bundle of `width` entries.
///
/// # Errors
/// [`FormatError`] for an entry of another length, for bytes that end too early, and for bytes behind the last entry.
pub fn decode_entries(bytes: &[u8], width: usize) -> Result<Vec<Digest>, FormatError> {
    let wrong = |_| FormatError::OutOfRange { field: "entry", expected: "32 bytes" };
    items(bytes, width)?.into_iter().map(|entry| entry.try_into().map(Digest).map_err(wrong)).collect()
}

/// Encodes receipts in their envelopes, as entries. `None` is a receipt that the store withholds; it takes the length 0.
///
/// # Errors
/// [`FormatError`] for an envelope of no bytes or of more than [`MAX_RECEIPT`].
pub fn encode_receipts<'a>(receipts: impl IntoIterator<Item = Option<&'a [u8]>>) -> Result<Vec<u8>, FormatError> {
    let mut bundle = Vec::new();
    for receipt in receipts {
        match receipt {
            Some(bytes) => put(&mut bundle, checked(bytes)?),
            None => put(&mut bundle, &[]),
        }
    }
    Ok(bundle)
}

/// Decodes a bundle of `width` receipts, without looking into them. `None` is one that the store withholds.
///
/// # Errors
/// As [`decode_entries`].
pub fn decode_receipts(bytes: &[u8], width: usize) -> Result<Vec<Option<&[u8]>>, FormatError> {
    let receipts = items(bytes, width)?.into_iter();
    receipts.map(|bytes| if bytes.is_empty() { Ok(None) } else { checked(bytes).map(Some) }).collect()
}

fn checked(receipt: &[u8]) -> Result<&[u8], FormatError> {
    match receipt.len() {
        0 => Err(FormatError::OutOfRange { field: "receipt", expected: "at least one byte" }),
        1..=MAX_RECEIPT => Ok(receipt),
        actual => Err(FormatError::TooLong { limit: MAX_RECEIPT, actual }),
    }
}

fn put(bundle: &mut Vec<u8>, item: &[u8]) {
    // safe: receipts and entries are shorter
    let length = u16::try_from(item.len()).expect("at most MAX_RECEIPT bytes");
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(item);
}

fn items(bytes: &[u8], count: usize) -> Result<Vec<&[u8]>, FormatError> {
    let mut rest = bytes;
    let mut items = Vec::new();
    for _ in 0..count {
        let truncated = FormatError::Truncated { offset: bytes.len() - rest.len() };
        let (length, after) = rest.split_first_chunk::<2>().ok_or_else(|| truncated.clone())?;
        let (item, after) = after.split_at_checked(u16::from_be_bytes(*length).into()).ok_or(truncated)?;
        items.push(item);
        rest = after;
    }
    match rest.len() {
        0 => Ok(items),
        count => Err(FormatError::Trailing { count }),
    }
}
