use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use quoth_engine::Caller;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::{ApiError, caller};
use crate::exchange::Asked;
use crate::node::Node;
use crate::upstream::Key;
use crate::{clock, limits};

/// Reads a request whole, within its limits.
pub(super) async fn whole(
    node: &Node,
    connection: Caller,
    key: Option<Key>,
    request: Request<Incoming>,
) -> Result<Asked, ApiError> {
    let (head, body) = request.into_parts();
    let caller = caller::read(&head.headers)?;
    if !head.headers.get_all(CONTENT_ENCODING).iter().all(|value| value == "identity") {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(ApiError::wrong(status, "content_encoding", "the body must not be encoded"));
    }
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    if target.len() > limits::TARGET_BYTES {
        return Err(ApiError::wrong(StatusCode::URI_TOO_LONG, "target_too_long", "the request-target is too long"));
    }
    let claimed = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let (body, memory) = match timeout(limits::BODY, collect(node, claimed.unwrap_or(0), body)).await {
        Ok(collected) => collected?,
        Err(_) => {
            return Err(ApiError::wrong(StatusCode::REQUEST_TIMEOUT, "body_timeout", "the body came too slowly"));
        }
    };
    let method = head.method.as_str().into();
    let passed = node.upstreams.passes(&head.headers, connection.number());
    Ok(Asked { method, target, body, caller, passed, key, connection, received: clock::millis(), _memory: memory })
}

async fn collect(
    node: &Node,
    claimed: u64,
    mut body: Incoming,
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), ApiError> {
    let limit = node.limits.body_bytes;
    let mut whole = BytesMut::new();
    let mut memory: Option<OwnedSemaphorePermit> = None;
    if claimed > limit as u64 {
        return Err(too_long(limit, body).await);
    }
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| ApiError::bad("body_broken", "the body broke off"))?;
        // Trailers mean nothing here and are dropped unread.
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > limit - whole.len() {
            return Err(too_long(limit, body).await);
        }
        let Some(permit) = node.memory_for(data.len()) else {
            return Err(ApiError::unavailable("bodies_full", "too many request bodies at once"));
        };
        match &mut memory {
            Some(memory) => memory.merge(permit),
            None => memory = Some(permit),
        }
        whole.extend_from_slice(&data);
    }
    Ok((whole.freeze(), memory))
}

/// Reads and forgets a bounded rest: a socket that is closed on unread bytes would lose the answer.
async fn too_long(limit: usize, mut body: Incoming) -> ApiError {
    let rest = async {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, Bytes::len);
            if read > limits::DISCARD_BYTES {
                break;
            }
        }
    };
    let _ = timeout(limits::DISCARD, rest).await;
    let message = format!("the body is longer than {limit} bytes");
    ApiError::wrong(StatusCode::PAYLOAD_TOO_LARGE, "body_too_long", message)
}
