//! An answer's body on its way out.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::body;
use crate::hold::Hold;
use crate::limits;
use crate::pace::Taking;
use crate::server::Running;
use crate::shares::guarded;

/// A body in pieces of at most [`limits::ANSWER_PIECE`].
///
/// Each piece keeps the request's hold until the connection has dropped the piece, wherever it was buffered. The
/// client's pace is measured from piece to piece.
pub struct Outgoing {
    body: body::Body,
    /// Bytes that the body gave and the connection has not taken yet.
    rest: Bytes,
    taking: Arc<Taking>,
    hold: Arc<Hold>,
    _running: Running,
}

impl Outgoing {
    pub(super) fn new(body: body::Body, taking: Arc<Taking>, hold: Arc<Hold>, running: Running) -> Self {
        Self { body, rest: Bytes::new(), taking, hold, _running: running }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        // A connection that asks for more has room for it.
        self.taking.took_all();
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                // An answer has no trailers.
                Some(Ok(frame)) => self.rest = frame.into_data().unwrap_or_default(),
                None => return Poll::Ready(None),
            }
        }
        let length = self.rest.len().min(limits::ANSWER_PIECE);
        let piece = self.rest.split_to(length);
        let taken = Taken {
            number: self.taking.offer(length),
            taking: Arc::clone(&self.taking),
            _hold: Arc::clone(&self.hold),
        };
        Poll::Ready(Some(Ok(Frame::data(guarded(piece, taken)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, body) = (self.rest.len() as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(rest + body.lower());
        body.upper().into_iter().for_each(|upper| hint.set_upper(rest + upper));
        hint
    }
}

/// On drop, records that the client has taken the piece.
struct Taken {
    number: u64,
    taking: Arc<Taking>,
    _hold: Arc<Hold>,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.taking.took(self.number);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use http_body_util::{BodyExt, Full};

    use super::*;
    use crate::callers::Admitted;
    use crate::server::Connection;
    use crate::shares::{Account, Party, Shares};

    #[tokio::test]
    async fn the_last_piece_keeps_what_is_held() {
        let memory = Shares::new(100);
        let account = Account { memory: Arc::clone(&memory), party: Party::Connection(1) };
        let hold = Hold::new(account, Admitted::default(), 7).unwrap();
        let taking = Arc::new(Taking::default());
        let whole = Full::new(Bytes::from(vec![1; limits::ANSWER_PIECE + 1])).boxed_unsync();
        let mut body = Outgoing::new(whole, Arc::clone(&taking), hold, Connection::alone().runs());
        assert_eq!(body.size_hint().exact(), Some(limits::ANSWER_PIECE as u64 + 1));
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first.len(), limits::ANSWER_PIECE);
        assert!(taking.is_waiting() && !body.is_end_stream());
        let last = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(last.len(), 1);
        assert!(body.is_end_stream() && body.frame().await.is_none());
        drop((body, first));
        assert_eq!(memory.held(), 7, "the connection has not sent all yet");
        drop(last);
        assert_eq!(memory.held(), 0);
        assert!(!taking.is_waiting());
    }
}
