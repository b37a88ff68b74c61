//! The body of a provider's answer, over either version of HTTP.

use bytes::Bytes;
use h2::RecvStream;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::UpstreamError;

/// A body that comes piece by piece. Trailers are dropped.
pub enum Body {
    /// Over HTTP/1.1.
    Http1(Incoming),
    /// Over HTTP/2.
    Http2(RecvStream),
}

impl Body {
    /// Returns the next piece; none at the end. Safe to cancel.
    pub async fn piece(&mut self) -> Option<Result<Bytes, UpstreamError>> {
        match self {
            Self::Http1(body) => loop {
                match body.frame().await?.map(|frame| frame.into_data()) {
                    Ok(Ok(data)) => return Some(Ok(data)),
                    Ok(Err(_)) => {}
                    Err(_) => return Some(Err(UpstreamError::Cut)),
                }
            },
            Self::Http2(body) => {
                let data = body.data().await?;
                // The piece is not kept here, so its room is free again.
                let taken = data.and_then(|data| body.flow_control().release_capacity(data.len()).map(|()| data));
                Some(taken.map_err(|_| UpstreamError::Cut))
            }
        }
    }
}
