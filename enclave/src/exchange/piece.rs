//! An answer that comes in pieces, each with what the receipt says of it.

use bytes::Bytes;
use quoth_attestation::receipt::Outcome;

use crate::upstream::{Received, Seen};

/// An answer as it is made.
pub trait Pieces: Send {
    /// Waits for the next piece. It is not called again after a piece with an end. Must be safe to cancel while it
    /// waits.
    fn next(&mut self) -> impl Future<Output = Piece> + Send;
}

/// A part of an answer.
pub struct Piece {
    /// Bytes for the client, whole events only.
    pub bytes: Bytes,
    /// What the exchange notes of the work behind them.
    pub noted: Noted,
    /// How the answer ended; none while there is more.
    pub end: Option<End>,
}

/// What an exchange notes of a piece.
pub enum Noted {
    /// What a local model produced.
    Local {
        /// Tokens, each once.
        tokens: Vec<u32>,
        /// Text of the answer's first choice, each once; none if the piece has none.
        text: Option<String>,
    },
    /// What a provider sent.
    Upstream {
        /// The original bytes, if counts in them are hidden.
        received: Vec<Received>,
        /// What the provider says of its answer, once it has ended.
        seen: Option<Seen>,
    },
}

/// How an answer ended.
pub struct End {
    /// The receipt's outcome.
    pub outcome: Outcome,
    /// The event that ends the stream, or reports an error; empty if there is none. It leaves after the receipt, which
    /// covers it.
    pub terminal: Bytes,
    /// Whether the node broke off, so that this event is its own and not the provider's.
    pub broke_off: bool,
}
