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

use super::forwarded::Forwarded;
use super::generate::Stream;
use super::{ApiError, Body};
use crate::config::Api;
use crate::exchange::{Events, Exchange, Streamed};
use crate::limits;
use crate::shares::{Account, Share, guarded};

/// What an endpoint answers.
pub(super) enum Answer {
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
    /// An event stream of a local model.
    Stream(Stream),
    /// An event stream of a provider, and what is said of it.
    Forwarded(Box<Forwarded>, HeaderMap),
}

impl Answer {
    /// JSON that this node made.
    pub(super) fn json(body: Bytes, outcome: Outcome) -> Self {
        let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))].into_iter().collect();
        Self::Whole { status: StatusCode::OK, headers, body, outcome }
    }

    /// The response, its proofs in place.
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
            Self::Stream(stream) => {
                let headers = [(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"))].into_iter().collect();
                streamed(exchange, stream, 0, headers)
            }
            Self::Forwarded(stream, headers) => streamed(exchange, *stream, limits::UPSTREAM_WINDOW as usize, headers),
        }
    }
}

fn streamed(
    exchange: Exchange,
    events: impl Events + 'static,
    window: usize,
    mut headers: HeaderMap,
) -> Response<Body> {
    exchange.headers(&mut headers);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let account = exchange.hold().account().clone();
    let (stream, first) = Streamed::begin(exchange, events);
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

/// Bytes of a stream, and the memory that they take.
type Piece = (Bytes, Share);

/// A piece and those that are there already, once every task that can go on has gone on: what came together leaves together.
async fn gathered((first, mut memory): Piece, pieces: &mut mpsc::Receiver<Piece>) -> Bytes {
    yield_now().await;
    let mut all = BytesMut::from(first);
    for (piece, share) in (1..limits::STREAM_PIECES).map_while(|_| pieces.try_recv().ok()) {
        all.extend_from_slice(&piece);
        memory.merge(share);
    }
    guarded(all.freeze(), memory)
}

/// Makes a stream's pieces until it ends or the client is gone.
///
/// `window`: bytes that may come from elsewhere while the client takes none.
async fn produce(mut stream: Streamed<impl Events>, account: Account, window: usize, pieces: mpsc::Sender<Piece>) {
    loop {
        let piece = tokio::select! {
            () = pieces.closed() => return,
            piece = stream.next() => piece,
        };
        let Some(piece) = piece else { return };
        // A stream that finds no memory waits for some, and leaves what it would read where it is.
        let share = tokio::select! {
            () = pieces.closed() => return,
            share = account.take_within(piece.len(), limits::STALL) => share,
        };
        let Some(share) = share else { return };
        let Some(piece) = send_now(&pieces, (piece, share)) else { continue };
        // The client is slow. Meanwhile the provider may fill the window of its stream, which is paid for where that can be.
        let _window = account.take(window);
        if pieces.send(piece).await.is_err() {
            return;
        }
    }
}

/// Hands on a piece if there is room for it, and returns it otherwise.
fn send_now(pieces: &mpsc::Sender<Piece>, piece: Piece) -> Option<Piece> {
    match pieces.try_send(piece) {
        Ok(()) => None,
        Err(TrySendError::Full(piece) | TrySendError::Closed(piece)) => Some(piece),
    }
}

/// A body in one piece.
pub(super) fn whole(body: Bytes, media_type: &'static str) -> Response<Body> {
    let mut response = Response::new(Full::new(body).boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::shares::{Party, Shares};

    #[tokio::test]
    async fn what_came_together_leaves_together_and_is_paid_for() {
        let account = Account { memory: Shares::new(100), party: Party::Connection(1) };
        let piece = |text: &'static str| (Bytes::from_static(text.as_bytes()), account.take(text.len()).unwrap());
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
