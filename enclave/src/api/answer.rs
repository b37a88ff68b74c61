use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream::unfold;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use quoth_attestation::receipt::Outcome;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::Body;
use super::forwarded::Forwarded;
use super::generate::Stream;
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
    pub(super) fn response(self, exchange: Exchange) -> Response<Body> {
        match self {
            Self::Whole { status, mut headers, body, outcome } => {
                exchange.answer(status.as_u16(), &body, outcome, &mut headers);
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
    let (sender, receiver) = mpsc::channel(limits::STREAM_PIECES);
    tokio::spawn(produce(Streamed::new(exchange, events), sender));
    let frames = unfold(receiver, |mut pieces| async {
        let bytes = pieces.recv().await?;
        Some((Ok::<_, Infallible>(Frame::data(bytes)), pieces))
    });
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    *response.headers_mut() = headers;
    response
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
