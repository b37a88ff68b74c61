//! The receipt: claims about one exchange, signed by a key that never left the enclave (`SPEC.md` §7).
//! A CWT (RFC 8392) with EAT claims (RFC 9711). Quoth's own claims use private-use labels below -65536.

mod exchange;
mod execution;

use alloc::vec::Vec;

pub use exchange::{Ending, Exchange, Method, Outcome, Status, Target};
pub use execution::{Credential, Execution, Local, MAX_RETRIES, Retries, TlsPeer, Upstream};

use crate::binding::Nonce;
use crate::cbor::{self, Field, Map, Value};
use crate::cose::Payload;
use crate::statement::name_of;
use crate::{Digest, ExchangeId, FormatError};

/// The profile of a receipt.
pub const PROFILE: &str = "tag:quoth.dev,2026:receipt:1";

const IAT: i64 = 6;
const CTI: i64 = 7;
const EAT_NONCE: i64 = 10;
const EAT_PROFILE: i64 = 265;
const NODE: i64 = -70_000;
const SEQ: i64 = -70_001;
const PREV: i64 = -70_002;
const LEVEL: i64 = -70_003;
const EXCHANGE: i64 = -70_004;
const EXECUTION: i64 = -70_005;
const USAGE: i64 = -70_006;
const TIMES: i64 = -70_007;
const PARENT: i64 = -70_008;

/// The claims of one receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// When it was issued, Unix seconds, by the clock that the statement names.
    pub iat: u64,
    /// The exchange's id, random.
    pub cti: ExchangeId,
    /// The caller's nonce, if it sent one.
    pub nonce: Option<Nonce>,
    /// Digest of the node statement.
    pub node: Digest,
    /// Position in this instance's chain, from 0.
    pub seq: u64,
    /// Digest of the previous receipt's payload; at position 0, of the statement.
    pub prev: Digest,
    /// What proves the receipt.
    pub level: Level,
    /// Request and response.
    pub exchange: Exchange,
    /// What produced the response; absent if nothing was executed.
    pub execution: Option<Execution>,
    /// Token counts, if the model or the provider counted tokens.
    pub usage: Option<Usage>,
    /// When the exchange happened, by the enclave's clock.
    pub times: Times,
    /// Digest of an earlier receipt's payload, as the caller gave it. The enclave does not check it.
    pub parent: Option<Digest>,
}

/// What proves a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// A signature by a key that the verifier must know already.
    Vanilla,
    /// A key that hardware attests.
    Tee,
    /// A zero-knowledge proof of the execution.
    Zkml,
}

impl Level {
    const NAMES: [(&'static str, Self); 3] = [("vanilla", Self::Vanilla), ("tee", Self::Tee), ("zkml", Self::Zkml)];

    /// The name in receipts.
    pub fn name(self) -> &'static str {
        name_of(&Self::NAMES, self)
    }
}

/// Token counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Tokens in the prompt.
    pub prompt: u64,
    /// Tokens in the answer.
    pub completion: u64,
}

/// Milliseconds since the Unix epoch, by the enclave's clock, each no earlier than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    received: u64,
    first_byte: u64,
    last_byte: u64,
}

impl Times {
    /// Returns an error for times that are not in order.
    pub fn new(received: u64, first_byte: u64, last_byte: u64) -> Result<Self, FormatError> {
        match received <= first_byte && first_byte <= last_byte {
            true => Ok(Self { received, first_byte, last_byte }),
            false => Err(FormatError::OutOfRange { field: "times", expected: "received ≤ first byte ≤ last byte" }),
        }
    }

    /// When the whole request had been read.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// When the first body byte of the response was ready.
    pub fn first_byte(&self) -> u64 {
        self.first_byte
    }

    /// When the last body byte of the response was ready.
    pub fn last_byte(&self) -> u64 {
        self.last_byte
    }
}

impl Payload for Receipt {
    const TYP: &'static str = "application/vnd.quoth.receipt+cwt";
    const MAX_BYTES: usize = 8 * 1024;

    fn encode(&self) -> Vec<u8> {
        let map = Map::new()
            .with(IAT, self.iat)
            .with(CTI, &self.cti.0)
            .with_some(EAT_NONCE, self.nonce.as_ref().map(|nonce| nonce.as_bytes()))
            .with(EAT_PROFILE, PROFILE)
            .with(NODE, &self.node)
            .with(SEQ, self.seq)
            .with(PREV, &self.prev)
            .with(LEVEL, self.level.name())
            .with(EXCHANGE, self.exchange.to_value())
            .with_some(EXECUTION, self.execution.as_ref().map(Execution::to_value))
            .with_some(
                USAGE,
                self.usage.map(|usage| Map::new().with(1, usage.prompt).with(2, usage.completion).build()),
            )
            .with(TIMES, self.times.to_value())
            .with_some(PARENT, self.parent.as_ref());
        cbor::encode(&map.build())
    }

    fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        cbor::read(bytes, Self::MAX_BYTES, "receipt", |fields| {
            fields.required(EAT_PROFILE, "eat_profile").profile(PROFILE);
            Self {
                iat: fields.required(IAT, "iat").uint(),
                cti: ExchangeId(fields.required(CTI, "cti").array()),
                nonce: fields.optional(EAT_NONCE, "eat_nonce").map(Nonce::of),
                node: fields.required(NODE, "node").digest(),
                seq: fields.required(SEQ, "seq").uint(),
                prev: fields.required(PREV, "prev").digest(),
                level: fields.required(LEVEL, "level").one_of(&Level::NAMES),
                exchange: Exchange::of(fields.required(EXCHANGE, "exchange")),
                execution: fields.optional(EXECUTION, "execution").map(Execution::of),
                usage: fields.optional(USAGE, "usage").map(Usage::of),
                times: Times::of(fields.required(TIMES, "times")),
                parent: fields.optional(PARENT, "parent").map(Field::digest),
            }
        })
    }
}

impl Usage {
    fn of(field: Field<'_>) -> Self {
        field.map(|fields| Self {
            prompt: fields.required(1, "prompt tokens").uint(),
            completion: fields.required(2, "completion tokens").uint(),
        })
    }
}

impl Times {
    fn to_value(self) -> Value<'static> {
        Map::new().with(1, self.received).with(2, self.first_byte).with(3, self.last_byte).build()
    }

    fn of(field: Field<'_>) -> Self {
        let times = field.map(|fields| Self {
            received: fields.required(1, "received").uint(),
            first_byte: fields.required(2, "first byte").uint(),
            last_byte: fields.required(3, "last byte").uint(),
        });
        Self::new(times.received, times.first_byte, times.last_byte).unwrap_or_else(|error| {
            field.refuse(error);
            times
        })
    }
}
