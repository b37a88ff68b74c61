//! The journal: the enclave sends receipts in order, and the host acknowledges them once they are on disk.
//!
//! A frame is a kind (u8), the length of the body (u32, big-endian) and the body. The enclave begins with
//! [`ToHost::Hello`], and the host answers [`ToEnclave::Welcome`]. The enclave then sends every receipt from
//! `max(next, first)` on. After [`ToEnclave::Failed`] the host ignores receipts until it sends another `Welcome`; the
//! enclave then sends again from there.

use bytes::{Buf, Bytes, BytesMut};

use crate::{Frame, LinkError};

/// The version of this protocol.
pub const VERSION: u8 = 1;
/// Maximum length of an encoded node statement, bytes.
pub const MAX_STATEMENT: usize = 40 * 1024;
/// Maximum length of an encoded receipt, bytes.
pub const MAX_RECEIPT: usize = 9 * 1024;
/// Maximum number of unacknowledged receipts. At this number an enclave admits no more requests.
pub const MAX_UNACKNOWLEDGED: usize = 4096;

const HEAD: usize = 5;
const HELLO: u8 = 0x01;
const RECEIPT: u8 = 0x02;
const WELCOME: u8 = 0x81;
const ACK: u8 = 0x82;
const FAILED: u8 = 0x83;
/// Version, instance, first.
const HELLO_FIXED: usize = 1 + 16 + 8;

/// What an enclave sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToHost {
    /// The enclave's identity. The first frame of every connection.
    Hello {
        /// The instance.
        instance: [u8; 16],
        /// The lowest sequence number that the enclave still holds. If it holds none, the next one that it will issue.
        first: u64,
        /// The encoded node statement.
        statement: Bytes,
    },
    /// A receipt.
    Receipt {
        /// Its place in the instance's chain.
        seq: u64,
        /// The COSE_Sign1.
        bytes: Bytes,
    },
}

/// What a host sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToEnclave {
    /// The journal is ready for this instance.
    Welcome {
        /// The next sequence number that it expects.
        next: u64,
    },
    /// Everything up to and including `seq` is on disk.
    Ack {
        /// The highest sequence number on disk.
        seq: u64,
    },
    /// Storage failed. Unacknowledged receipts are not safe, and the enclave should admit no request.
    Failed,
}

impl Frame for ToHost {
    fn take(buffer: &mut BytesMut) -> Result<Option<Self>, LinkError> {
        let Some((kind, mut body)) = take(buffer, |kind| match kind {
            HELLO => Some((HELLO_FIXED + 1, HELLO_FIXED + MAX_STATEMENT)),
            RECEIPT => Some((8 + 1, 8 + MAX_RECEIPT)),
            _ => None,
        })?
        else {
            return Ok(None);
        };
        if kind == RECEIPT {
            return Ok(Some(Self::Receipt { seq: body.get_u64(), bytes: body.freeze() }));
        }
        let version = body.get_u8();
        if version != VERSION {
            return Err(LinkError::Version { expected: VERSION, actual: version });
        }
        let mut instance = [0; 16];
        body.copy_to_slice(&mut instance);
        Ok(Some(Self::Hello { instance, first: body.get_u64(), statement: body.freeze() }))
    }

    fn put(&self, buffer: &mut Vec<u8>) {
        match self {
            Self::Hello { instance, first, statement } => {
                put(buffer, HELLO, &[&[VERSION], instance, &first.to_be_bytes(), statement]);
            }
            Self::Receipt { seq, bytes } => put(buffer, RECEIPT, &[&seq.to_be_bytes(), bytes]),
        }
    }
}

impl Frame for ToEnclave {
    fn take(buffer: &mut BytesMut) -> Result<Option<Self>, LinkError> {
        let frame = take(buffer, |kind| match kind {
            WELCOME | ACK => Some((8, 8)),
            FAILED => Some((0, 0)),
            _ => None,
        })?;
        Ok(frame.map(|(kind, mut body)| match kind {
            WELCOME => Self::Welcome { next: body.get_u64() },
            ACK => Self::Ack { seq: body.get_u64() },
            _ => Self::Failed,
        }))
    }

    fn put(&self, buffer: &mut Vec<u8>) {
        match self {
            Self::Welcome { next } => put(buffer, WELCOME, &[&next.to_be_bytes()]),
            Self::Ack { seq } => put(buffer, ACK, &[&seq.to_be_bytes()]),
            Self::Failed => put(buffer, FAILED, &[]),
        }
    }
}

/// Takes one frame off the buffer. `bounds` returns the minimum and maximum length of a kind.
fn take(
    buffer: &mut BytesMut,
    bounds: impl FnOnce(u8) -> Option<(usize, usize)>,
) -> Result<Option<(u8, BytesMut)>, LinkError> {
    let Some(&kind) = buffer.first() else { return Ok(None) };
    let (least, most) = bounds(kind).ok_or(LinkError::Kind { actual: kind })?;
    let Some(length) = buffer.get(1..HEAD) else { return Ok(None) };
    // safe: the slice above has four bytes
    let length = u32::from_be_bytes(length.try_into().expect("four bytes"));
    let body = length as usize;
    if !(least..=most).contains(&body) {
        return Err(LinkError::Length { what: "frame", expected: "what its kind allows", actual: length.into() });
    }
    if buffer.len() < HEAD + body {
        return Ok(None);
    }
    buffer.advance(HEAD);
    Ok(Some((kind, buffer.split_to(body))))
}

fn put(buffer: &mut Vec<u8>, kind: u8, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    buffer.reserve(HEAD + length);
    buffer.push(kind);
    // safe: the limits above keep bodies far below 4 GiB, and the reader refuses longer ones
    buffer.extend((length as u32).to_be_bytes());
    parts.iter().for_each(|part| buffer.extend_from_slice(part));
}
