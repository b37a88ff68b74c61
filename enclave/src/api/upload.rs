//! A request's body on its way in.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use tokio::time::timeout;

use crate::limits;

/// The body of a request. It remembers whether its end was seen.
pub(super) struct Upload {
    body: Incoming,
    ended: bool,
}

impl Upload {
    pub(super) fn new(body: Incoming) -> Self {
        let ended = body.is_end_stream();
        Self { body, ended }
    }

    /// Returns the next bytes; none at the end. Trailers are dropped.
    pub(super) async fn piece(&mut self) -> Option<Result<Bytes, hyper::Error>> {
        while !self.ended {
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Some(Ok(data));
                    }
                }
                Some(Err(error)) => {
                    self.ended = true;
                    return Some(Err(error));
                }
                None => self.ended = true,
            }
        }
        None
    }

    /// Reads and drops a bounded rest while the answer is sent. Many clients lose the answer if the connection closes,
    /// or the HTTP/2 stream is reset, with bytes unread.
    pub(super) fn discard(mut self) {
        if self.ended {
            return;
        }
        tokio::spawn(async move {
            let rest = async {
                let mut read = 0;
                while let Some(Ok(data)) = self.piece().await {
                    read += data.len();
                    if read > limits::DISCARD_BYTES {
                        break;
                    }
                }
            };
            let _ = timeout(limits::DISCARD, rest).await;
        });
    }
}
