//! Reads a request: checks its head and collects its body.

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::request::Parts;
use quoth_attestation::receipt::{Method, Target};
use tokio::time::timeout_at;

use super::upload::Upload;
use super::{ApiError, proof_headers};
use crate::exchange::IncomingRequest;
use crate::hold::{Collected, Hold};
use crate::node::Node;
use crate::pace::Pace;
use crate::server::Connection;
use crate::upstream::Key;
use crate::{clock, limits};

/// Memory that a request costs before its body, bytes.
pub(super) fn head_cost(head: &Parts) -> usize {
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    let fields = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + limits::FIELD_BYTES);
    limits::REQUEST_BYTES + target + limits::HEAD_COPIES * fields.sum::<usize>()
}

/// Memory that the tree of a JSON text costs, bytes. Each node follows one of these characters.
pub(super) fn tree_cost(body: &[u8]) -> usize {
    let nodes = body.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{' | b':')).count();
    body.len() + (1 + nodes) * limits::JSON_NODE_BYTES
}

/// Reads a request whole, within its limits.
pub(super) async fn whole(
    node: &Node,
    connection: &Connection,
    hold: &Hold,
    key: Option<Key>,
    head: Parts,
    upload: &mut Upload,
) -> Result<IncomingRequest, ApiError> {
    let proof = proof_headers::read(&head.headers)?;
    if !head.headers.get_all(CONTENT_ENCODING).iter().all(|value| value == "identity") {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(ApiError::wrong(status, "content_encoding", "the body must not be encoded"));
    }
    let target = Target::new(head.uri.path_and_query().map_or("/", |target| target.as_str()))
        .map_err(|_| ApiError::wrong(StatusCode::URI_TOO_LONG, "target_too_long", "the request-target is too long"))?;
    let method = Method::new(head.method.as_str()).map_err(|_| ApiError::method("POST"))?;
    let claimed = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let body = collect(node.limits.body_bytes, hold, connection, claimed.unwrap_or(0), upload).await?;
    let passed = node.upstreams.passes(&head.headers, connection.number());
    let cache = connection.cache().clone();
    Ok(IncomingRequest { method, target, body, proof, passed, key, cache, received: clock::millis() })
}

async fn collect(
    limit: usize,
    hold: &Hold,
    connection: &Connection,
    claimed: u64,
    upload: &mut Upload,
) -> Result<Bytes, ApiError> {
    if claimed > limit as u64 {
        return Err(too_long(limit));
    }
    let (mut whole, mut pace) = (Collected::new(hold), Pace::default());
    loop {
        let piece = timeout_at(pace.deadline(), upload.piece()).await;
        let piece = piece
            .map_err(|_| ApiError::wrong(StatusCode::REQUEST_TIMEOUT, "body_timeout", "the body came too slowly"))?;
        let Some(data) = piece else { return Ok(whole.finish()) };
        let data = data.map_err(|_| ApiError::bad("body_broken", "the body broke off"))?;
        if data.len() > limit - whole.len() {
            return Err(too_long(limit));
        }
        whole.append(&data).map_err(|_| ApiError::no_memory())?;
        pace.moved(data.len());
        connection.moved();
    }
}

fn too_long(limit: usize) -> ApiError {
    let message = format!("the body is longer than {limit} bytes");
    ApiError::wrong(StatusCode::PAYLOAD_TOO_LARGE, "body_too_long", message)
}
