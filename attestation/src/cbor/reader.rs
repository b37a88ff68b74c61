//! Reads deterministic CBOR.

use alloc::vec::Vec;
use core::str;

use super::value::Value;
use super::write::{FALSE, TRUE};
use crate::FormatError;

/// Maximum nesting depth of arrays and maps.
pub const MAX_DEPTH: usize = 8;

/// Largest initial capacity of an array or map, whatever count its head claims.
const ROOM: usize = 16;

/// Reads `bytes` as one deterministic CBOR item (RFC 8949 §4.2.1) of the allowed types.
pub(super) fn deterministic(bytes: &[u8], limit: usize) -> Result<Value<'_>, FormatError> {
    if bytes.len() > limit {
        return Err(FormatError::TooLong { limit, actual: bytes.len() });
    }
    let (value, end) = item(bytes, 0, 0)?;
    match bytes.len() - end {
        0 => Ok(value),
        count => Err(FormatError::Trailing { count }),
    }
}

/// Reads the item at `start`: its value and the offset just past it.
fn item(bytes: &[u8], start: usize, depth: usize) -> Result<(Value<'_>, usize), FormatError> {
    let (major, argument, body) = head(bytes, start)?;
    match major {
        0 => Ok((Value::Unsigned(argument), body)),
        1 => Ok((Value::Negative(argument), body)),
        2 => {
            let content = string(bytes, start, body, argument)?;
            Ok((Value::Bytes(content.into()), body + content.len()))
        }
        3 => {
            let content = string(bytes, start, body, argument)?;
            let text = str::from_utf8(content).map_err(|_| FormatError::InvalidUtf8 { offset: start })?;
            Ok((Value::Text(text.into()), body + content.len()))
        }
        4 => array(bytes, body, count(bytes, start, body, argument, depth)?, depth + 1),
        5 => map(bytes, body, count(bytes, start, body, argument, depth)?, depth + 1),
        7 if argument == FALSE || argument == TRUE => Ok((Value::Bool(argument == TRUE), body)),
        _ => Err(FormatError::NotAllowed { offset: start }),
    }
}

fn array(bytes: &[u8], mut at: usize, count: usize, depth: usize) -> Result<(Value<'_>, usize), FormatError> {
    let mut items = Vec::with_capacity(count.min(ROOM));
    for _ in 0..count {
        let (value, end) = item(bytes, at, depth)?;
        items.push(value);
        at = end;
    }
    Ok((Value::Array(items), at))
}

fn map(bytes: &[u8], mut at: usize, count: usize, depth: usize) -> Result<(Value<'_>, usize), FormatError> {
    let mut entries = Vec::with_capacity(count.min(ROOM));
    let mut previous: Option<&[u8]> = None;
    for _ in 0..count {
        let (key, key_end) = item(bytes, at, depth)?;
        let encoded = &bytes[at..key_end];
        match previous.map(|previous| previous.cmp(encoded)) {
            Some(core::cmp::Ordering::Equal) => return Err(FormatError::DuplicateKey { offset: at }),
            Some(core::cmp::Ordering::Greater) => return Err(FormatError::UnsortedKeys { offset: at }),
            _ => previous = Some(encoded),
        }
        let (value, end) = item(bytes, key_end, depth)?;
        entries.push((key, value));
        at = end;
    }
    Ok((Value::Map(entries), at))
}

/// Reads a head: major type, argument, offset just past it.
fn head(bytes: &[u8], start: usize) -> Result<(u8, u64, usize), FormatError> {
    let first = *bytes.get(start).ok_or(FormatError::Truncated { offset: start })?;
    let (major, info) = (first >> 5, first & 0x1f);
    let width = match info {
        0..=23 => return Ok((major, u64::from(info), start + 1)),
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        28..=30 => return Err(FormatError::Reserved { offset: start }),
        _ if matches!(major, 2..=5) => return Err(FormatError::Indefinite { offset: start }),
        _ => return Err(FormatError::Reserved { offset: start }),
    };
    if major == 7 {
        return Err(FormatError::NotAllowed { offset: start });
    }
    let digits = bytes.get(start + 1..start + 1 + width).ok_or(FormatError::Truncated { offset: start })?;
    let argument = digits.iter().fold(0u64, |value, digit| value << 8 | u64::from(*digit));
    let minimum = match width {
        1 => 24,
        2 => 1 << 8,
        4 => 1 << 16,
        _ => 1 << 32,
    };
    if argument < minimum {
        return Err(FormatError::NonMinimal { offset: start });
    }
    Ok((major, argument, start + 1 + width))
}

fn string(bytes: &[u8], start: usize, body: usize, length: u64) -> Result<&[u8], FormatError> {
    let remaining = bytes.len() - body;
    match usize::try_from(length) {
        Ok(length) if length <= remaining => Ok(&bytes[body..body + length]),
        _ => Err(FormatError::Truncated { offset: start }),
    }
}

/// Checks a claimed count against the bytes left (an element needs one byte, an entry two) and the depth.
fn count(bytes: &[u8], start: usize, body: usize, count: u64, depth: usize) -> Result<usize, FormatError> {
    if depth >= MAX_DEPTH {
        return Err(FormatError::TooDeep { limit: MAX_DEPTH, offset: start });
    }
    match usize::try_from(count) {
        Ok(count) if count <= bytes.len() - body => Ok(count),
        _ => Err(FormatError::Truncated { offset: start }),
    }
}
