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

    /// The next bytes. None at the end. Trailers mean nothing here and are dropped unread.
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

    /// Reads and forgets a bounded rest beside the answer. A connection that closes on unread bytes, or an HTTP/2 stream that
    /// is reset because of them, loses the answer for many clients.
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
