//! Claims of a receipt about request and response.

use crate::bounded::{Bounded, Text};
use crate::cbor::{Field, Map, Value};
use crate::commit::Commitment;
use crate::statement::name_of;

/// Maximum bytes in a request method.
const MAX_METHOD: usize = 16;
/// Maximum bytes in a request-target.
const MAX_TARGET: usize = 2 * 1024;

/// A request method (RFC 9110 §9).
pub type Method = Text<MAX_METHOD>;
/// A request-target (RFC 9112 §3.2).
pub type Target = Text<MAX_TARGET>;
/// An HTTP status (RFC 9110 §15).
pub type Status = Bounded<100, 999>;

/// One request and its response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// HTTP method (RFC 9110 §9).
    pub method: Method,
    /// Path and query of the request-target (RFC 9112 §3.2), as received.
    pub target: Target,
    /// HTTP status of the response.
    pub status: Status,
    /// Commitment to the request body.
    pub request: Commitment,
    /// Commitment to the response body, without Quoth's records.
    pub response: Commitment,
    /// Length of that body, bytes.
    pub response_length: u64,
    /// True if the response was an event stream.
    pub streamed: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// How a whole stream ended. Absent for all other answers, and for streams whose checkpoints have
    /// [version 1](crate::checkpoint::Version::V1).
    pub ending: Option<Ending>,
    /// Commitment to the text of the answer's first choice. Absent if the answer has no such text.
    pub answer: Option<Commitment>,
}

/// How the node knew that a stream was whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A terminal event, which follows the receipt.
    Terminal,
    /// A `finish_reason` for every choice, and a regular end of the HTTP body.
    FinishReason,
}

impl Ending {
    const NAMES: [(&'static str, Self); 2] = [("terminal", Self::Terminal), ("finish_reason", Self::FinishReason)];

    /// The name in receipts.
    pub fn name(self) -> &'static str {
        name_of(&Self::NAMES, self)
    }
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The whole answer was produced (not necessarily delivered).
    Complete,
    /// The answer was cut at the token limit.
    Length,
    /// The caller disconnected before the end.
    ClientClosed,
    /// The provider failed, or broke its protocol.
    UpstreamFailed,
    /// The local engine failed.
    EngineFailed,
    /// Nothing was executed.
    Refused,
}

impl Outcome {
    const NAMES: [(&'static str, Self); 6] = [
        ("complete", Self::Complete),
        ("length", Self::Length),
        ("client_closed", Self::ClientClosed),
        ("upstream_failed", Self::UpstreamFailed),
        ("engine_failed", Self::EngineFailed),
        ("refused", Self::Refused),
    ];

    /// Every outcome, in the order of the specification.
    pub const ALL: [Self; Self::NAMES.len()] = {
        let mut all = [Self::Complete; Self::NAMES.len()];
        let mut at = 0;
        while at < all.len() {
            all[at] = Self::NAMES[at].1;
            at += 1;
        }
        all
    };

    /// The name in receipts.
    pub fn name(self) -> &'static str {
        name_of(&Self::NAMES, self)
    }

    /// Returns true if the whole answer was produced.
    pub fn is_whole(self) -> bool {
        matches!(self, Self::Complete | Self::Length)
    }
}

impl Exchange {
    pub(super) fn to_value(&self) -> Value<'_> {
        Map::new()
            .with(1, &self.method)
            .with(2, &self.target)
            .with(3, self.status)
            .with(4, &self.request)
            .with(5, &self.response)
            .with(6, self.response_length)
            .with(7, self.streamed)
            .with(8, self.outcome.name())
            .with_some(9, self.ending.filter(|_| self.may_say_ending()).map(Ending::name))
            .with_some(10, self.answer.as_ref())
            .build()
    }

    pub(super) fn of(field: Field<'_>) -> Self {
        let exchange = field.map(|fields| Self {
            method: fields.required(1, "method").text(),
            target: fields.required(2, "target").text(),
            status: fields.required(3, "status").bounded("100 to 999"),
            request: Commitment(fields.required(4, "request commitment").digest()),
            response: Commitment(fields.required(5, "response commitment").digest()),
            response_length: fields.required(6, "response length").uint(),
            streamed: fields.required(7, "streamed").boolean(),
            outcome: fields.required(8, "outcome").one_of(&Outcome::NAMES),
            ending: fields.optional(9, "ending").map(|field| field.one_of(&Ending::NAMES)),
            answer: fields.optional(10, "answer commitment").map(|field| Commitment(field.digest())),
        });
        let holds = exchange.ending.is_none() || exchange.may_say_ending();
        field.check(holds, "ending", "only of a stream that is whole");
        exchange
    }

    /// True if the answer is a whole stream: only such an answer has an ending.
    fn may_say_ending(&self) -> bool {
        self.streamed && self.outcome.is_whole()
    }
}
