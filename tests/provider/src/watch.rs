//! Counts incomplete answers: hyper drops the service or the body if the client left.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body_util::BodyExt;
use hyper::body::{Body as _, Bytes, Frame, SizeHint};

use crate::body::Body;
use crate::shared::Shared;

/// Counts an incomplete answer when it is dropped before the answer's end.
pub(crate) struct Watch {
    shared: Arc<Shared>,
    ended: bool,
}

impl Watch {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, ended: false }
    }

    /// Wraps the answer's body, to notice its end.
    pub(crate) fn over(mut self, body: Body) -> Body {
        self.ended = body.is_end_stream();
        Watched { body, watch: self }.boxed_unsync()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.ended {
            self.shared.broke_off();
        }
    }
}

struct Watched {
    body: Body,
    watch: Watch,
}

impl hyper::body::Body for Watched {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        // A body of known length is not polled after its end.
        self.watch.ended |= matches!(frame, Poll::Ready(None)) || self.body.is_end_stream();
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
