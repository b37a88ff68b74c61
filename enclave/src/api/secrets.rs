//! The path for the operator's orders. Each order is sealed and signed, so the path needs no other protection.

use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::json;
use tokio::time::timeout;

use super::body::whole;
use super::upload::Upload;
use super::{ApiError, Body};
use crate::config::Api;
use crate::limits;
use crate::node::Node;
use crate::secrets::{Described, SecretError};

/// The path.
pub(super) const PATH: &str = "/.well-known/quoth/secrets";

pub(super) async fn answer(node: &Node, head: &Parts, upload: &mut Upload) -> Response<Body> {
    let answer = match head.method {
        Method::POST => take(node, upload).await,
        _ => Err(ApiError::method("POST")),
    };
    answer.unwrap_or_else(|error| error.response(Api::Openai))
}

/// Lists the secrets by name and fingerprint, nothing more. Only an accepted order gets this answer, because its sender
/// is the operator.
fn list(node: &Node) -> Response<Body> {
    let described = |secret: Described| {
        let Described { name, fingerprint, counter } = secret;
        json!({ "name": name, "fingerprint": hex::encode(fingerprint), "counter": counter })
    };
    let secrets: Vec<_> = node.secrets.list().into_iter().map(described).collect();
    whole(json!({ "secrets": secrets }).to_string().into(), "application/json")
}

async fn take(node: &Node, upload: &mut Upload) -> Result<Response<Body>, ApiError> {
    let order = timeout(limits::STALL, order(upload)).await.ok().flatten();
    let order = order.ok_or_else(|| refused(SecretError::Malformed))?;
    node.secrets.take(&node.identity.digest(), &order).map_err(refused)?;
    Ok(list(node))
}

/// The body, if it is short enough for an order.
async fn order(upload: &mut Upload) -> Option<Vec<u8>> {
    let mut order = Vec::new();
    while let Some(piece) = upload.piece().await {
        order.extend_from_slice(&piece.ok()?);
        if order.len() > limits::SECRET_BYTES {
            return None;
        }
    }
    Some(order)
}

fn refused(error: SecretError) -> ApiError {
    let status = match error {
        SecretError::NoOperator | SecretError::Name => StatusCode::NOT_FOUND,
        SecretError::Signature => StatusCode::FORBIDDEN,
        SecretError::Counter | SecretError::Node => StatusCode::CONFLICT,
        _ => StatusCode::BAD_REQUEST,
    };
    ApiError::wrong(status, error.code(), error.to_string())
}
