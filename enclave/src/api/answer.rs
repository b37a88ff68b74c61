//! What an endpoint answers, and how it leaves with its proofs.

use std::convert::Infallible;

use bytes::{Bytes, BytesMut};
use futures_util::stream::unfold;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use quoth_attestation::receipt::Outcome;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::yield_now;

use super::{ApiError, Body};
use crate::config::Api;
use crate::exchange::{Exchange, Pieces, Streamed};
use crate::limits;
use crate::shares::{Account, Share, guarded};

/// What an endpoint answers.
pub(super) enum Answer<P> {
    /// Everything at once.
    Whole {
        /// Status.
        status: StatusCode,
        /// Its media type and what else is said of it.
        headers: HeaderMap,
        /// The body.
        body: Bytes,
        /// The receipt's outcome.
        outcome: Outcome,
    },
    /// An event stream.
    Stream {
        /// What makes it.
        pieces: P,
        /// Its media type and what else is said of it.
        headers: HeaderMap,
        /// How many bytes a provider may send while the client reads none.
        window: usize,
    },
}

impl<P> Answer<P> {
    /// JSON that this node made.
    pub(super) fn json(body: Bytes, outcome: Outcome) -> Self {
        let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))].into_iter().collect();
        Self::Whole { status: StatusCode::OK, headers, body, outcome }
    }

    /// Events that this node makes.
    pub(super) fn events(pieces: P) -> Self {
        let headers = [(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"))].into_iter().collect();
        Self::Stream { pieces, headers, window: 0 }
    }

    /// Wraps what makes the stream; the rest stays the same.
    pub(super) fn map<Q>(self, wrap: impl FnOnce(P) -> Q) -> Answer<Q> {
        match self {
            Self::Whole { status, headers, body, outcome } => Answer::Whole { status, headers, body, outcome },
            Self::Stream { pieces, headers, window } => Answer::Stream { pieces: wrap(pieces), headers, window },
        }
    }
}

impl<P: Pieces + 'static> Answer<P> {
    /// Makes the response, with its proofs.
    pub(super) fn response(self, exchange: Exchange, api: Api) -> Response<Body> {
        match self {
            Self::Whole { status, mut headers, body, outcome } => {
                if exchange.answer(status.as_u16(), &body, outcome, &mut headers).is_err() {
                    return ApiError::internal().response(api);
                }
                let mut response = Response::new(Full::new(body).boxed_unsync());
                *response.status_mut() = status;
                *response.headers_mut() = headers;
                response
            }
            Self::Stream { pieces, headers, window } => streamed(exchange, pieces, window, headers),
        }
    }
}

fn streamed(
    exchange: Exchange,
    pieces: impl Pieces + 'static,
    window: usize,
    mut headers: HeaderMap,
) -> Response<Body> {
    exchange.headers(&mut headers);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let account = exchange.hold().account().clone();
    let (stream, first) = Streamed::begin(exchange, pieces);
    let (sender, receiver) = mpsc::channel(limits::STREAM_PIECES);
    tokio::spawn(produce(stream, account, window, sender));
    let frames = unfold((Some(first), receiver), |(first, mut pieces)| async {
        let bytes = match first {
            Some(first) => first,
            None => gathered(pieces.recv().await?, &mut pieces).await,
        };
        Some((Ok::<_, Infallible>(Frame::data(bytes)), (None, pieces)))
    });
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    *response.headers_mut() = headers;
    response
}

/// Bytes of a stream, and the memory share that pays for them. Boxed, because the channel keeps one or two blocks of 32
/// places: thousands of quiet streams hold them all.
type Paid = Box<(Bytes, Share)>;

/// Joins a piece with those that already wait. It yields first, so that other tasks can add theirs: what comes together
/// leaves together.
async fn gathered(first: Paid, pieces: &mut mpsc::Receiver<Paid>) -> Bytes {
    yield_now().await;
    let (first, mut memory) = *first;
    let mut all = BytesMut::from(first);
    for (piece, share) in (1..limits::STREAM_PIECES).map_while(|_| pieces.try_recv().ok()).map(|paid| *paid) {
        all.extend_from_slice(&piece);
        memory.merge(share);
    }
    guarded(all.freeze(), memory)
}

/// Makes a stream's pieces until it ends or the client is gone.
///
/// `window`: how many bytes a provider may send while the client reads none.
async fn produce(mut stream: Streamed<impl Pieces>, account: Account, window: usize, pieces: mpsc::Sender<Paid>) {
    loop {
        let piece = tokio::select! {
            () = pieces.closed() => return,
            piece = stream.next() => piece,
        };
        let Some(piece) = piece else { return };
        // If there is no memory, the stream waits and reads nothing meanwhile.
        let share = tokio::select! {
            () = pieces.closed() => return,
            share = account.take_within(piece.len(), limits::STALL) => share,
        };
        let Some(share) = share else { return };
        let Some(piece) = send_now(&pieces, Box::new((piece, share))) else { continue };
        // The client is slow. Meanwhile the provider may fill the window of its stream. The account pays for that window if
        // it can.
        let _window = account.take(window);
        if pieces.send(piece).await.is_err() {
            return;
        }
    }
}

/// Sends a piece if there is room for it; otherwise returns it.
fn send_now(pieces: &mpsc::Sender<Paid>, piece: Paid) -> Option<Paid> {
    match pieces.try_send(piece) {
        Ok(()) => None,
        Err(TrySendError::Full(piece) | TrySendError::Closed(piece)) => Some(piece),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::shares::{Party, Shares};

    #[tokio::test]
    async fn what_came_together_leaves_together_and_is_paid_for() {
        let account = Account { memory: Shares::new(100), party: Party::Connection(1) };
        let piece =
            |text: &'static str| Box::new((Bytes::from_static(text.as_bytes()), account.take(text.len()).unwrap()));
        let (sender, mut pieces) = mpsc::channel(limits::STREAM_PIECES);
        assert_eq!(gathered(piece("a"), &mut pieces).await, "a");
        let (b, c) = (piece("b"), piece("c"));
        let made = tokio::spawn(async move {
            for piece in [b, c] {
                sender.send(piece).await.unwrap();
            }
            sender
        });
        let gathered_all = gathered(piece("a"), &mut pieces).await;
        assert_eq!((&gathered_all[..], account.memory.held()), (&b"abc"[..], 3));
        drop(gathered_all);
        assert_eq!(account.memory.held(), 0);
        let sender = made.await.unwrap();
        (0..limits::STREAM_PIECES).for_each(|_| assert!(send_now(&sender, piece("d")).is_none()));
        assert!(send_now(&sender, piece("d")).is_some(), "no room");
        assert_eq!(gathered(piece("a"), &mut pieces).await, "addddddd", "no more than may wait");
        assert_eq!(pieces.recv().await.unwrap().0, "d");
    }
}
