use bytes::{Bytes, BytesMut};
use quoth_attestation::receipt::{Ending, Outcome};
use tokio::time::{Instant, sleep_until};

use super::Exchange;
use crate::limits;

/// An answer as it is made.
pub trait Events: Send {
    /// Waits for the next events and appends their bytes, whole events only; `None` while there are more, then how it
    /// ended. Must be safe to cancel while it waits.
    fn next(&mut self, exchange: &mut Exchange, out: &mut BytesMut) -> impl Future<Output = Option<End>> + Send;
}

/// How an answer ended.
pub struct End {
    /// The receipt's outcome.
    pub outcome: Outcome,
    /// The event that ends the stream, an error's too; held back until the receipt, which covers it, has gone before. Empty
    /// when there is none.
    pub terminal: Bytes,
}

/// An event stream with its proofs: checkpoint 0 at once, another within a second of any byte, the receipt before the
/// event that ends it.
pub struct Streamed<E> {
    /// Gone when the receipt is out.
    exchange: Option<Exchange>,
    events: E,
    checkpoint_at: Instant,
    /// Bytes left since the last checkpoint.
    unproven: bool,
}

impl<E: Events> Streamed<E> {
    /// A stream, and the bytes that it begins with.
    pub fn begin(mut exchange: Exchange, events: E) -> (Self, Bytes) {
        let first = exchange.streams().into();
        let checkpoint_at = Instant::now() + limits::CHECKPOINT;
        (Self { exchange: Some(exchange), events, checkpoint_at, unproven: false }, first)
    }

    /// The next bytes of the body, or the end.
    pub async fn next(&mut self) -> Option<Bytes> {
        let exchange = self.exchange.as_mut()?;
        let mut out = BytesMut::new();
        let end = tokio::select! {
            biased;
            () = sleep_until(self.checkpoint_at), if self.unproven => {
                self.unproven = false;
                self.checkpoint_at = Instant::now() + limits::CHECKPOINT;
                return Some(exchange.checkpoint().into());
            }
            end = self.events.next(exchange, &mut out) => end,
        };
        exchange.wrote(&out);
        match end {
            None => {
                let now = Instant::now();
                if !self.unproven && self.checkpoint_at < now {
                    // After a pause the second counts from its first byte.
                    self.checkpoint_at = now + limits::CHECKPOINT;
                }
                self.unproven = true;
            }
            Some(End { outcome, terminal }) => {
                exchange.wrote(&terminal);
                let exchange = self.exchange.take()?;
                let ending = if terminal.is_empty() { Ending::FinishReason } else { Ending::Terminal };
                // Without a receipt the stream breaks off: nothing may say that it is whole.
                if let Ok(receipt) = exchange.end_stream(outcome, ending) {
                    out.extend_from_slice(receipt.as_bytes());
                    out.extend_from_slice(&terminal);
                }
            }
        }
        Some(out.freeze())
    }
}
