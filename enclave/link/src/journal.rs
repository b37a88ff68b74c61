//! The journal: the enclave sends receipts in order, and the host acknowledges them once they are on disk.
//!
//! A frame is a kind (u8), the length of the body (u32, big-endian) and the body. The enclave begins with
//! [`ToHost::Hello`], and the host answers [`ToEnclave::Welcome`]. The enclave then sends every receipt from
//! `max(next, first)` on. When the host says [`ToEnclave::Publish`], the enclave signs size and root of the log of all
//! receipts that the host has acknowledged, at most once a second, and sends [`ToHost::Head`]. Before an enclave ends, it
//! sends a closed head by itself, which the host answers with [`ToEnclave::Kept`]. After [`ToEnclave::Failed`] the host ignores receipts until it sends another `Welcome`; the
//! enclave then sends again from there.

use bytes::{Buf, Bytes, BytesMut};

use crate::{Frame, LinkError};

/// The version of this protocol.
pub const VERSION: u8 = 2;
/// Maximum length of an encoded node statement, bytes.
pub const MAX_STATEMENT: usize = 40 * 1024;
/// Maximum length of an encoded receipt, bytes.
pub const MAX_RECEIPT: usize = 9 * 1024;
/// Maximum number of unacknowledged receipts. At this number an enclave admits no more requests.
pub const MAX_UNACKNOWLEDGED: usize = 4096;

/// Length of a signed head, bytes.
pub const HEAD: usize = 146;
/// Maximum length of a checkpoint note, bytes.
pub const MAX_NOTE: usize = 1024;

const PREFIX: usize = 5;
const HELLO: u8 = 0x01;
const RECEIPT: u8 = 0x02;
const LOG_HEAD: u8 = 0x03;
const WELCOME: u8 = 0x81;
const ACK: u8 = 0x82;
const FAILED: u8 = 0x83;
const PUBLISH: u8 = 0x84;
const KEPT: u8 = 0x85;
/// Sequence number, digest.
const RECEIPT_FIXED: usize = 8 + 32;
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
        /// Its digest, which is its entry in the log.
        digest: [u8; 32],
        /// The COSE_Sign1.
        bytes: Bytes,
    },
    /// Size and root of the log, signed in two ways.
    Head {
        /// The signed head.
        head: [u8; HEAD],
        /// The signed checkpoint note, text.
        note: Bytes,
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
    /// Sign size and root of the log.
    Publish,
    /// The closed head is on disk.
    Kept,
}

impl Frame for ToHost {
    fn take(buffer: &mut BytesMut) -> Result<Option<Self>, LinkError> {
        let Some((kind, mut body)) = take(buffer, |kind| match kind {
            HELLO => Some((HELLO_FIXED + 1, HELLO_FIXED + MAX_STATEMENT)),
            RECEIPT => Some((RECEIPT_FIXED + 1, RECEIPT_FIXED + MAX_RECEIPT)),
            LOG_HEAD => Some((HEAD + 1, HEAD + MAX_NOTE)),
            _ => None,
        })?
        else {
            return Ok(None);
        };
        if kind == RECEIPT {
            let seq = body.get_u64();
            return Ok(Some(Self::Receipt { seq, digest: array(&mut body), bytes: body.freeze() }));
        }
        if kind == LOG_HEAD {
            return Ok(Some(Self::Head { head: array(&mut body), note: body.freeze() }));
        }
        let version = body.get_u8();
        if version != VERSION {
            return Err(LinkError::Version { expected: VERSION, actual: version });
        }
        let instance = array(&mut body);
        Ok(Some(Self::Hello { instance, first: body.get_u64(), statement: body.freeze() }))
    }

    fn put(&self, buffer: &mut Vec<u8>) {
        match self {
            Self::Hello { instance, first, statement } => {
                put(buffer, HELLO, &[&[VERSION], instance, &first.to_be_bytes(), statement]);
            }
            Self::Receipt { seq, digest, bytes } => put(buffer, RECEIPT, &[&seq.to_be_bytes(), digest, bytes]),
            Self::Head { head, note } => put(buffer, LOG_HEAD, &[head, note]),
        }
    }
}

impl Frame for ToEnclave {
    fn take(buffer: &mut BytesMut) -> Result<Option<Self>, LinkError> {
        let frame = take(buffer, |kind| match kind {
            WELCOME | ACK => Some((8, 8)),
            FAILED | PUBLISH | KEPT => Some((0, 0)),
            _ => None,
        })?;
        Ok(frame.map(|(kind, mut body)| match kind {
            WELCOME => Self::Welcome { next: body.get_u64() },
            ACK => Self::Ack { seq: body.get_u64() },
            PUBLISH => Self::Publish,
            KEPT => Self::Kept,
            _ => Self::Failed,
        }))
    }

    fn put(&self, buffer: &mut Vec<u8>) {
        match self {
            Self::Welcome { next } => put(buffer, WELCOME, &[&next.to_be_bytes()]),
            Self::Ack { seq } => put(buffer, ACK, &[&seq.to_be_bytes()]),
            Self::Failed => put(buffer, FAILED, &[]),
            Self::Publish => put(buffer, PUBLISH, &[]),
            Self::Kept => put(buffer, KEPT, &[]),
        }
    }
}

/// Takes the next bytes of a body whose length was checked.
fn array<const N: usize>(body: &mut BytesMut) -> [u8; N] {
    let mut bytes = [0; N];
    body.copy_to_slice(&mut bytes);
    bytes
}

/// Takes one frame off the buffer. `bounds` returns the minimum and maximum length of a kind.
fn take(
    buffer: &mut BytesMut,
    bounds: impl FnOnce(u8) -> Option<(usize, usize)>,
) -> Result<Option<(u8, BytesMut)>, LinkError> {
    let Some(&kind) = buffer.first() else { return Ok(None) };
    let (least, most) = bounds(kind).ok_or(LinkError::Kind { actual: kind })?;
    let Some(length) = buffer.get(1..PREFIX) else { return Ok(None) };
    // safe: the slice above has four bytes
    let length = u32::from_be_bytes(length.try_into().expect("four bytes"));
    let body = length as usize;
    if !(least..=most).contains(&body) {
        return Err(LinkError::Length { what: "frame", expected: "what its kind allows", actual: length.into() });
    }
    if buffer.len() < PREFIX + body {
        return Ok(None);
    }
    buffer.advance(PREFIX);
    Ok(Some((kind, buffer.split_to(body))))
}

fn put(buffer: &mut Vec<u8>, kind: u8, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    buffer.reserve(PREFIX + length);
    buffer.push(kind);
    // safe: the limits above keep bodies far below 4 GiB, and the reader refuses longer ones
    buffer.extend((length as u32).to_be_bytes());
    parts.iter().for_each(|part| buffer.extend_from_slice(part));
}
