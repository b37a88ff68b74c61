//! `GET`: who the node is, what it runs, what it has signed.

use std::sync::Arc;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, Request, Response};
use hyper::body::Incoming;
use quoth_attestation::binding::Nonce;
use quoth_attestation::cose::Payload;
use quoth_attestation::{evidence, receipt};
use serde_json::json;

use super::answer::whole;
use super::{ApiError, Body};
use crate::config::Api;
use crate::node::{NoQuote, Node};

pub(super) async fn answer(node: &Arc<Node>, request: &Request<Incoming>) -> Response<Body> {
    let path = request.uri().path();
    let (receipt, exchange) = (path.strip_prefix("/v1/receipts/"), path.strip_prefix("/v1/exchanges/"));
    let known = matches!(path, "/.well-known/quoth/node" | "/healthz" | "/v1/models");
    let found = match (*request.method() == Method::GET, path, receipt, exchange) {
        (false, ..) if known || receipt.is_some() || exchange.is_some() => Err(ApiError::method("GET")),
        (true, "/.well-known/quoth/node", ..) => evidence(node, request.uri().query()).await,
        (true, "/healthz", ..) => health(node),
        (true, "/v1/models", ..) => Ok(models(node)),
        (true, _, Some(cti), _) => signed(node, cti),
        (true, _, _, Some(cti)) => details(node, cti, request.headers()),
        _ => Err(ApiError::not_found("no such path")),
    };
    found.unwrap_or_else(|error| error.response(Api::Openai))
}

async fn evidence(node: &Arc<Node>, query: Option<&str>) -> Result<Response<Body>, ApiError> {
    let bytes = match query {
        None => node.evidence().await,
        Some(query) => {
            let nonce = query.strip_prefix("nonce=").and_then(|hex| Nonce::from_hex(hex).ok());
            let message = "the query is not nonce= and 8 to 64 bytes of hex";
            node.fresh_evidence(nonce.ok_or_else(|| ApiError::bad("invalid_nonce", message))?).await
        }
    };
    match bytes {
        Ok(bytes) => Ok(whole(bytes, evidence::MEDIA_TYPE)),
        Err(NoQuote::Busy) => Err(ApiError::too_many("too many quotes at once")),
        Err(NoQuote::Failed) => Err(ApiError::internal()),
    }
}

fn health(node: &Node) -> Result<Response<Body>, ApiError> {
    if !node.engines.iter().all(|engine| engine.is_alive()) {
        return Err(ApiError::unavailable("engine_failed", "an engine has stopped"));
    }
    match node.journal.is_attached() {
        true => Ok(whole("ok\n".into(), "text/plain")),
        false => Err(ApiError::no_journal()),
    }
}

fn models(node: &Node) -> Response<Body> {
    let created = node.statement().issued;
    let local = node.engines.iter().map(|engine| (engine.info().name.as_str(), "quoth"));
    let data: Vec<_> = (local.chain(node.upstreams.models()))
        .map(|(name, owner)| json!({ "id": name, "object": "model", "created": created, "owned_by": owner }))
        .collect();
    whole(json!({ "object": "list", "data": data }).to_string().into(), "application/json")
}

fn signed(node: &Node, cti: &str) -> Result<Response<Body>, ApiError> {
    let receipt = node.ledger.recent(&id(cti)?).ok_or_else(|| ApiError::not_found("no such receipt here"))?;
    Ok(whole(receipt, receipt::Receipt::TYP))
}

fn details(node: &Node, cti: &str, headers: &HeaderMap) -> Result<Response<Body>, ApiError> {
    let cti = id(cti)?;
    let credential = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Quoth "))
        .and_then(|hex| hex::decode(hex).ok());
    // Whoever lacks the credential does not even learn whether there is something to read.
    credential
        .and_then(|credential| node.shelf.take(&cti, &credential))
        .map(|details| whole(Bytes::copy_from_slice(details.as_bytes()), "application/json"))
        .ok_or_else(|| ApiError::not_found("no such details here, or not for this credential"))
}

fn id(text: &str) -> Result<[u8; 16], ApiError> {
    let mut cti = [0; 16];
    hex::decode_to_slice(text, &mut cti).map_err(|_| ApiError::not_found("no such exchange here"))?;
    Ok(cti)
}
