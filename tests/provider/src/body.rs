//! The body of an answer, and how steps become one.

use std::convert::Infallible;
use std::sync::Arc;

use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper::header::{HeaderName, HeaderValue};

use crate::TRAILER;
use crate::session::{Seizure, Session};
use crate::steps::{Step, Steps};

pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Returns the body that performs these steps.
pub(crate) fn of(steps: Steps, session: Arc<Session>) -> Body {
    let frames = stream::unfold((steps, session), |(mut steps, session)| async move {
        loop {
            let frame = match steps.next()? {
                Step::Send(bytes) => Frame::data(bytes),
                Step::Trailers => Frame::trailers([trailer()].into_iter().collect()),
                Step::Wait(time) => {
                    tokio::time::sleep(time).await;
                    continue;
                }
                Step::Stall => std::future::pending().await,
                Step::Close { close_notify } => session.seize(Seizure::Close { close_notify }).await,
            };
            return Some((Ok(frame), (steps, session)));
        }
    });
    StreamBody::new(frames).boxed_unsync()
}

fn trailer() -> (HeaderName, HeaderValue) {
    (HeaderName::from_static(TRAILER.0), HeaderValue::from_static(TRAILER.1))
}
