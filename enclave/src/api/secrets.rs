//! Where the operator's orders come in. They need no further protection: each is sealed and signed by itself.

use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::json;
use tokio::time::timeout;

use super::answer::whole;
use super::{ApiError, Body};
use crate::config::Api;
use crate::limits;
use crate::node::Node;
use crate::secrets::{Described, SecretError};

/// The path.
pub(super) const PATH: &str = "/.well-known/quoth/secrets";

pub(super) async fn answer(node: &Node, request: Request<Incoming>) -> Response<Body> {
    let answer = match *request.method() {
        Method::POST => take(node, request).await,
        _ => Err(ApiError::method("POST")),
    };
    answer.unwrap_or_else(|error| error.response(Api::Openai))
}

/// What is held: names and fingerprints, and nothing more. Only an order that was taken is answered so, since its sender is
/// the operator.
fn list(node: &Node) -> Response<Body> {
    let described = |secret: Described| {
        let Described { name, fingerprint, counter } = secret;
        json!({ "name": name, "fingerprint": hex::encode(fingerprint), "counter": counter })
    };
    let secrets: Vec<_> = node.secrets.list().into_iter().map(described).collect();
    whole(json!({ "secrets": secrets }).to_string().into(), "application/json")
}

async fn take(node: &Node, request: Request<Incoming>) -> Result<Response<Body>, ApiError> {
    let body = Limited::new(request.into_body(), limits::SECRET_BYTES).collect();
    let order = match timeout(limits::BODY, body).await {
        Ok(Ok(order)) => order.to_bytes(),
        _ => return Err(refused(SecretError::Malformed)),
    };
    node.secrets.take(&node.digest(), &order).map_err(refused)?;
    Ok(list(node))
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
