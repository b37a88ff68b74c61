//! The checkpoint: how far a stream had come, signed while it runs (`SPEC.md` §8).

use alloc::vec::Vec;

use crate::binding::Nonce;
use crate::cbor::{self, Field, Map};
use crate::commit::Commitment;
use crate::cose::Payload;
use crate::{Digest, FormatError};

/// The claims of one checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Digest of the node statement.
    pub node: Digest,
    /// The request's id, as in its receipt.
    pub cti: [u8; 16],
    /// The caller's nonce, when it sent one.
    pub nonce: Option<Nonce>,
    /// Commitment to the request body, as in the receipt.
    pub request: Commitment,
    /// HTTP status of the response.
    pub status: u16,
    /// 0 for the first one of a stream, then one more each.
    pub number: u64,
    /// Bytes of the response body, Quoth's records removed, before this checkpoint.
    pub offset: u64,
    /// Commitment to those bytes.
    pub prefix: Commitment,
    /// Digest of the previous checkpoint's payload; absent in number 0.
    pub prev: Option<Digest>,
}

impl Payload for Checkpoint {
    const TYP: &'static str = "application/vnd.quoth.checkpoint+cbor";
    const MAX_BYTES: usize = 1024;

    fn encode(&self) -> Vec<u8> {
        let map = Map::new()
            .with(1, &self.node)
            .with(2, &self.cti)
            .with_some(3, self.nonce.as_ref().map(|nonce| nonce.as_bytes()))
            .with(4, &self.request)
            .with(5, self.status)
            .with(6, self.number)
            .with(7, self.offset)
            .with(8, &self.prefix)
            .with_some(9, self.prev.as_ref());
        cbor::encode(&map.build())
    }

    fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let checkpoint = cbor::read(bytes, Self::MAX_BYTES, "checkpoint", |fields| Self {
            node: fields.required(1, "node").digest(),
            cti: fields.required(2, "cti").array(),
            nonce: fields.optional(3, "nonce").map(Nonce::of),
            request: Commitment(fields.required(4, "request commitment").digest()),
            status: fields.required(5, "status").short(),
            number: fields.required(6, "number").uint(),
            offset: fields.required(7, "offset").uint(),
            prefix: Commitment(fields.required(8, "prefix commitment").digest()),
            prev: fields.optional(9, "prev").map(Field::digest),
        })?;
        match (checkpoint.number, &checkpoint.prev) {
            (0, None) | (1.., Some(_)) => Ok(checkpoint),
            _ => Err(FormatError::OutOfRange { field: "prev", expected: "absent in number 0 and only there" }),
        }
    }
}
