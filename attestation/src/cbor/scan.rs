use core::str;

use super::MAX_DEPTH;
use crate::FormatError;

/// Accepts `bytes` if they are one deterministic CBOR item (RFC 8949 §4.2.1) of the allowed types.
pub(super) fn deterministic(bytes: &[u8], limit: usize) -> Result<(), FormatError> {
    if bytes.len() > limit {
        return Err(FormatError::TooLong { limit, actual: bytes.len() });
    }
    let end = item(bytes, 0, 0)?;
    match bytes.len() - end {
        0 => Ok(()),
        count => Err(FormatError::Trailing { count }),
    }
}

/// Walks the item at `start` and returns the offset just past it.
fn item(bytes: &[u8], start: usize, depth: usize) -> Result<usize, FormatError> {
    let (major, argument, body) = head(bytes, start)?;
    match major {
        0 | 1 => Ok(body),
        2 => string(bytes, start, body, argument).map(|(end, _)| end),
        3 => {
            let (end, content) = string(bytes, start, body, argument)?;
            str::from_utf8(content).map_err(|_| FormatError::InvalidUtf8 { offset: start })?;
            Ok(end)
        }
        4 => {
            let count = count(bytes, start, body, argument, depth)?;
            (0..count).try_fold(body, |at, _| item(bytes, at, depth + 1))
        }
        5 => {
            let count = count(bytes, start, body, argument, depth)?;
            let mut at = body;
            let mut previous: Option<&[u8]> = None;
            for _ in 0..count {
                let key_end = item(bytes, at, depth + 1)?;
                let key = &bytes[at..key_end];
                match previous.map(|previous| previous.cmp(key)) {
                    Some(core::cmp::Ordering::Equal) => return Err(FormatError::DuplicateKey { offset: at }),
                    Some(core::cmp::Ordering::Greater) => return Err(FormatError::UnsortedKeys { offset: at }),
                    _ => previous = Some(key),
                }
                at = item(bytes, key_end, depth + 1)?;
            }
            Ok(at)
        }
        7 if argument == 20 || argument == 21 => Ok(body),
        _ => Err(FormatError::NotAllowed { offset: start }),
    }
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

fn string(bytes: &[u8], start: usize, body: usize, length: u64) -> Result<(usize, &[u8]), FormatError> {
    let remaining = bytes.len() - body;
    match usize::try_from(length) {
        Ok(length) if length <= remaining => Ok((body + length, &bytes[body..body + length])),
        _ => Err(FormatError::Truncated { offset: start }),
    }
}

/// Checks a claimed count against the bytes that are left (an element takes one, an entry two) and the depth.
fn count(bytes: &[u8], start: usize, body: usize, count: u64, depth: usize) -> Result<usize, FormatError> {
    if depth >= MAX_DEPTH {
        return Err(FormatError::TooDeep { limit: MAX_DEPTH, offset: start });
    }
    match usize::try_from(count) {
        Ok(count) if count <= bytes.len() - body => Ok(count),
        _ => Err(FormatError::Truncated { offset: start }),
    }
}
