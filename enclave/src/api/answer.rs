use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream::unfold;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use quoth_attestation::receipt::Outcome;

use super::Body;
use super::generate::Stream;
use crate::exchange::{Exchange, Streamed};

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
                let frames = unfold(Streamed::new(exchange, stream), |mut stream| async {
                    let bytes = stream.next().await?;
                    Some((Ok::<_, Infallible>(Frame::data(bytes)), stream))
                });
                let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
                *response.headers_mut() = headers;
                response
            }
        }
    }
}

/// A body in one piece.
pub(super) fn whole(body: Bytes, media_type: &'static str) -> Response<Body> {
    let mut response = Response::new(Full::new(body).boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}
