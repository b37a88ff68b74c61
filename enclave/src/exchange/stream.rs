//! Sends an event stream with its checkpoints and its receipt.

use bytes::{Bytes, BytesMut};
use quoth_attestation::receipt::Ending;
use tokio::time::{Instant, sleep_until};

use super::Exchange;
use super::piece::{End, Piece, Pieces};
use crate::limits;

/// An event stream with its proofs: checkpoint 0 at once, another within a second of any byte, and the receipt before
/// the event that ends the stream.
pub struct Streamed<P> {
    /// None once the receipt is signed.
    exchange: Option<Exchange>,
    pieces: P,
    checkpoint_at: Instant,
    /// Bytes left since the last checkpoint.
    unproven: bool,
}

impl<P: Pieces> Streamed<P> {
    /// A stream, and the bytes that it begins with.
    pub fn begin(mut exchange: Exchange, pieces: P) -> (Self, Bytes) {
        let first = exchange.streams().into();
        let checkpoint_at = Instant::now() + limits::CHECKPOINT;
        (Self { exchange: Some(exchange), pieces, checkpoint_at, unproven: false }, first)
    }

    /// Returns the next bytes of the body, or `None` at the end. Safe to cancel: between a piece's arrival and its note
    /// there is no wait.
    pub async fn next(&mut self) -> Option<Bytes> {
        let exchange = self.exchange.as_mut()?;
        let Piece { bytes, noted, end } = tokio::select! {
            biased;
            () = sleep_until(self.checkpoint_at), if self.unproven => {
                self.unproven = false;
                self.checkpoint_at = Instant::now() + limits::CHECKPOINT;
                return Some(exchange.checkpoint().into());
            }
            piece = self.pieces.next() => piece,
        };
        exchange.note(noted);
        exchange.wrote(&bytes);
        match end {
            None => {
                let now = Instant::now();
                if !self.unproven && self.checkpoint_at < now {
                    // After a pause, the second begins with the first new byte.
                    self.checkpoint_at = now + limits::CHECKPOINT;
                }
                self.unproven = true;
                Some(bytes)
            }
            Some(end) => self.end(bytes, end),
        }
    }

    /// Returns the last bytes: the receipt, then the event that ends the stream.
    fn end(&mut self, bytes: Bytes, end: End) -> Option<Bytes> {
        let mut exchange = self.exchange.take()?;
        let End { outcome, terminal, broke_off } = end;
        if broke_off {
            exchange.breaks_off();
        }
        exchange.wrote(&terminal);
        let ending = if terminal.is_empty() { Ending::FinishReason } else { Ending::Terminal };
        let mut out = BytesMut::from(bytes);
        // Without a receipt the stream breaks off, so that it does not look whole.
        if let Ok(receipt) = exchange.end_stream(outcome, ending) {
            out.extend_from_slice(receipt.as_bytes());
            out.extend_from_slice(&terminal);
        }
        Some(out.freeze())
    }
}
