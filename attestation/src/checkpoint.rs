//! The checkpoint: signed progress of a stream that still runs (`SPEC.md` §8).

use alloc::vec::Vec;
use core::num::NonZeroU64;

use crate::binding::Nonce;
use crate::cbor::{self, Field, Map};
use crate::commit::{Commitment, Label};
use crate::cose::Payload;
use crate::{Digest, ExchangeId, FormatError};

/// The rules that a stream follows, as its checkpoints say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// Streams without a version claim. One salt opens every prefix, and only terminal events wait for the receipt.
    V1,
    /// Each prefix has its own salt, errors wait for the receipt too, and the receipt says how the stream ended.
    #[default]
    V2,
}

impl Version {
    /// Its number.
    pub fn number(self) -> u64 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }

    /// The label of the prefix commitment in checkpoint `number`.
    pub fn prefix(self, number: u64) -> Label {
        match self {
            Self::V1 => Label::Prefix,
            Self::V2 => Label::PrefixAt(number),
        }
    }
}

/// The claims of one checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Digest of the node statement.
    pub node: Digest,
    /// The exchange's id, as in its receipt.
    pub cti: ExchangeId,
    /// The caller's nonce, if it sent one.
    pub nonce: Option<Nonce>,
    /// Commitment to the request body, as in the receipt.
    pub request: Commitment,
    /// HTTP status of the response.
    pub status: u16,
    /// Its place among the checkpoints of its stream.
    pub place: Place,
    /// Bytes of the response body before this checkpoint, without Quoth's records.
    pub offset: u64,
    /// Commitment to those bytes.
    pub prefix: Commitment,
    /// The same in every checkpoint of a stream.
    pub version: Version,
}

/// A checkpoint's place in its stream: its number, and the checkpoint before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Number 0, with no checkpoint before it.
    First,
    /// A later number.
    Later {
        /// One more than the number of the checkpoint before.
        number: NonZeroU64,
        /// Digest of that checkpoint's payload.
        prev: Digest,
    },
}

impl Place {
    /// The number, from 0.
    pub fn number(&self) -> u64 {
        match self {
            Self::First => 0,
            Self::Later { number, .. } => number.get(),
        }
    }

    /// Digest of the previous checkpoint's payload; `None` at number 0.
    pub fn prev(&self) -> Option<&Digest> {
        match self {
            Self::First => None,
            Self::Later { prev, .. } => Some(prev),
        }
    }

    /// The next place, after a checkpoint whose payload has the digest `prev`.
    #[must_use]
    pub fn next(&self, prev: Digest) -> Self {
        Self::Later { number: NonZeroU64::MIN.saturating_add(self.number()), prev }
    }

    fn of(field: Field<'_>, prev: Option<Field<'_>>) -> Self {
        match (NonZeroU64::new(field.uint()), prev.map(Field::digest)) {
            (None, None) => Self::First,
            (Some(number), Some(prev)) => Self::Later { number, prev },
            _ => {
                field.check(false, "prev", "absent in number 0 and only there");
                Self::First
            }
        }
    }
}

impl Payload for Checkpoint {
    const TYP: &'static str = "application/vnd.quoth.checkpoint+cbor";
    const MAX_BYTES: usize = 1024;

    fn encode(&self) -> Vec<u8> {
        let map = Map::new()
            .with(1, &self.node)
            .with(2, &self.cti.0)
            .with_some(3, self.nonce.as_ref().map(|nonce| nonce.as_bytes()))
            .with(4, &self.request)
            .with(5, self.status)
            .with(6, self.place.number())
            .with(7, self.offset)
            .with(8, &self.prefix)
            .with_some(9, self.place.prev())
            .with_some(10, (self.version != Version::V1).then_some(self.version.number()));
        cbor::encode(&map.build())
    }

    fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        cbor::read(bytes, Self::MAX_BYTES, "checkpoint", |fields| Self {
            node: fields.required(1, "node").digest(),
            cti: ExchangeId(fields.required(2, "cti").array()),
            nonce: fields.optional(3, "nonce").map(Nonce::of),
            request: Commitment(fields.required(4, "request commitment").digest()),
            status: fields.required(5, "status").short(),
            place: Place::of(fields.required(6, "number"), fields.optional(9, "prev")),
            offset: fields.required(7, "offset").uint(),
            prefix: Commitment(fields.required(8, "prefix commitment").digest()),
            version: fields.optional(10, "version").map_or(Version::V1, |field| {
                field.check(field.uint() == 2, "version", "2");
                Version::V2
            }),
        })
    }
}
