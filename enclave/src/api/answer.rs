use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream::unfold;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use quoth_attestation::receipt::Outcome;

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::Body;
use super::generate::Stream;
use crate::exchange::{Exchange, Streamed};
use crate::limits;

/// What an endpoint answers.
pub(super) enum Answer {
    /// Everything at once.
    Whole {
        /// JSON.
        body: Bytes,
        /// The receipt's outcome.
        outcome: Outcome,
    },
    /// An event stream.
    Stream(Stream),
}

impl Answer {
    /// The response, its proofs in place.
    pub(super) fn response(self, exchange: Exchange) -> Response<Body> {
        let mut headers = HeaderMap::new();
        match self {
            Self::Whole { body, outcome } => {
                exchange.answer(200, &body, outcome, &mut headers);
                let mut response = whole(body, "application/json");
                response.headers_mut().extend(headers);
                response
            }
            Self::Stream(stream) => {
                exchange.headers(&mut headers);
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
                let (sender, receiver) = mpsc::channel(limits::STREAM_PIECES);
                tokio::spawn(produce(Streamed::new(exchange, stream), sender));
                let frames = unfold(receiver, |mut pieces| async {
                    let bytes = pieces.recv().await?;
                    Some((Ok::<_, Infallible>(Frame::data(bytes)), pieces))
                });
                let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
                *response.headers_mut() = headers;
                response
            }
        }
    }
}

/// Makes a stream's pieces until it ends or nobody takes them any more.
async fn produce(mut stream: Streamed<Stream>, pieces: mpsc::Sender<Bytes>) {
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
