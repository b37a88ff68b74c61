use std::convert::Infallible;

use bytes::{Bytes, BytesMut};
use futures_util::stream::unfold;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use quoth_attestation::receipt::Outcome;
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::timeout;

use super::forwarded::Forwarded;
use super::generate::Stream;
use super::{ApiError, Body};
use crate::config::Api;
use crate::exchange::{Events, Exchange, Streamed};
use crate::limits;

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
                streamed(exchange, stream, headers)
            }
            Self::Forwarded(stream, headers) => streamed(exchange, *stream, headers),
        }
    }
}

fn streamed(exchange: Exchange, events: impl Events + 'static, mut headers: HeaderMap) -> Response<Body> {
    exchange.headers(&mut headers);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let (stream, first) = Streamed::begin(exchange, events);
    let (sender, receiver) = mpsc::channel(limits::STREAM_PIECES);
    tokio::spawn(produce(stream, sender));
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

/// A piece and those that are there already, once all that can go on has gone on: what came together leaves together, and
/// nobody on its way is woken twice.
async fn gathered(first: Bytes, pieces: &mut mpsc::Receiver<Bytes>) -> Bytes {
    yield_now().await;
    let mut all = BytesMut::from(first);
    for piece in (1..limits::STREAM_PIECES).map_while(|_| pieces.try_recv().ok()) {
        all.extend_from_slice(&piece);
    }
    all.freeze()
}

/// Makes a stream's pieces until it ends or nobody takes them any more.
async fn produce(mut stream: Streamed<impl Events>, pieces: mpsc::Sender<Bytes>) {
    loop {
        let piece = tokio::select! {
            () = pieces.closed() => return,
            piece = stream.next() => piece,
        };
        let Some(piece) = piece else { return };
        // A window that a client keeps shut must not hold a sequence of the engine.
        if !matches!(timeout(limits::WRITE_STALL, pieces.send(piece)).await, Ok(Ok(()))) {
            return;
        }
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

    #[tokio::test]
    async fn what_came_together_leaves_together() {
        let (sender, mut pieces) = mpsc::channel(limits::STREAM_PIECES);
        assert_eq!(gathered(Bytes::from_static(b"a"), &mut pieces).await, "a");
        let made = tokio::spawn(async move {
            for piece in ["b", "c"] {
                sender.send(Bytes::from_static(piece.as_bytes())).await.unwrap();
            }
            sender
        });
        assert_eq!(gathered(Bytes::from_static(b"a"), &mut pieces).await, "abc");
        let sender = made.await.unwrap();
        (0..limits::STREAM_PIECES).for_each(|_| sender.try_send(Bytes::from_static(b"d")).unwrap());
        assert_eq!(gathered(Bytes::from_static(b"a"), &mut pieces).await, "addddddd", "no more than may wait");
        assert_eq!(pieces.recv().await.unwrap(), "d");
    }
}
