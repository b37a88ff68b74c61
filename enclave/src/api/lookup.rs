//! `GET`: who the node is, what it runs, what it has signed.

use std::sync::Arc;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, Method, Response};
use quoth_attestation::binding::Nonce;
use quoth_attestation::cose::Payload;
use quoth_attestation::{ExchangeId, evidence, receipt};
use serde_json::{Value, json};

use super::body::whole;
use super::credentials::Credentials;
use super::{ApiError, Body};
use crate::config::Api;
use crate::hold::Hold;
use crate::identity::NoQuote;
use crate::node::Node;
use crate::upstream::Key;

pub(super) async fn answer(node: &Arc<Node>, hold: &Hold, request: &Parts) -> Response<Body> {
    let path = request.uri.path();
    // Clients of Anthropic's API always send this header.
    let api = match request.headers.contains_key("anthropic-version") {
        true => Api::Anthropic,
        false => Api::Openai,
    };
    let named = ["/v1/models/", "/v1/receipts/", "/v1/exchanges/"].map(|root| path.strip_prefix(root));
    let known = matches!(path, "/.well-known/quoth/node" | "/healthz" | "/v1/models") || named != [None; 3];
    let found = match (request.method == Method::GET, path, named) {
        (false, ..) if known => Err(ApiError::method("GET")),
        (true, "/.well-known/quoth/node", _) => evidence(node, hold, request.uri.query()).await,
        (true, "/healthz", _) => health(node),
        (true, "/v1/models", _) => models(node, hold, api, &request.headers).await,
        (true, _, [Some(name), ..]) => model(node, api, &request.headers, name).await,
        (true, _, [_, Some(cti), _]) => signed(node, cti),
        (true, _, [.., Some(cti)]) => details(node, cti, &request.headers),
        _ => Err(ApiError::not_found("no such path")),
    };
    found.unwrap_or_else(|error| error.response(api))
}

async fn evidence(node: &Arc<Node>, hold: &Hold, query: Option<&str>) -> Result<Response<Body>, ApiError> {
    let party = hold.account().party;
    let bytes = match query {
        None => node.identity.evidence(party).await,
        Some(query) => {
            let nonce = query.strip_prefix("nonce=").and_then(|hex| Nonce::from_hex(hex).ok());
            let message = "the query is not nonce= and 8 to 64 bytes of hex";
            node.identity.fresh_evidence(party, nonce.ok_or_else(|| ApiError::bad("invalid_nonce", message))?).await
        }
    };
    match bytes {
        Ok(bytes) => paid(hold, bytes, evidence::MEDIA_TYPE),
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

async fn models(node: &Node, hold: &Hold, api: Api, headers: &HeaderMap) -> Result<Response<Body>, ApiError> {
    let data = described(node, api, headers).await;
    let list = match api {
        Api::Openai => json!({ "object": "list", "data": data }),
        Api::Anthropic => {
            let id = |model: Option<&Value>| model.map(|model| model["id"].clone());
            json!({ "data": data, "has_more": false, "first_id": id(data.first()), "last_id": id(data.last()) })
        }
    };
    paid(hold, list.to_string().into(), "application/json")
}

/// A body that the request's memory pays for.
fn paid(hold: &Hold, body: Bytes, media_type: &'static str) -> Result<Response<Body>, ApiError> {
    if hold.grow(body.len()) { Ok(whole(body, media_type)) } else { Err(ApiError::no_memory()) }
}

async fn model(node: &Node, api: Api, headers: &HeaderMap, name: &str) -> Result<Response<Body>, ApiError> {
    let name = decoded(name).ok_or_else(ApiError::no_model)?;
    let models = described(node, api, headers).await;
    let found = models.iter().find(|model| model["id"] == *name).ok_or_else(ApiError::no_model)?;
    Ok(whole(found.to_string().into(), "application/json"))
}

/// The models that can be asked for, in the API's shape. Callers who are admitted also see what providers list, where
/// the node holds a key.
async fn described(node: &Node, api: Api, headers: &HeaderMap) -> Vec<Value> {
    let created = node.identity.statement().issued();
    let describe = |(name, owner): (&str, &str)| match api {
        Api::Openai => json!({ "id": name, "object": "model", "created": created, "owned_by": owner }),
        // Anthropic's value for an unknown release date.
        Api::Anthropic => {
            json!({ "type": "model", "id": name, "display_name": name, "created_at": "1970-01-01T00:00:00Z" })
        }
    };
    let token = Credentials::read(headers).token;
    let listed = match node.callers.knows(token.as_ref().map(|token| token.as_str()), &node.secrets) {
        true => node.upstreams.listed(|name| node.secrets.get(name).map(Key::held)).await,
        false => Vec::new(),
    };
    let local = node.engines.iter().map(|engine| (engine.info().name.as_str(), "quoth"));
    let listed =
        listed.iter().map(|(name, owner)| (name.as_str(), *owner)).filter(|(name, _)| node.engine(name).is_none());
    local.chain(node.upstreams.models()).chain(listed).map(describe).collect()
}

/// Decodes a name in a path (RFC 3986 §2.1). Slashes need no encoding.
fn decoded(name: &str) -> Option<String> {
    let (first, rest) = name.split_once('%').unwrap_or((name, ""));
    let mut bytes = first.as_bytes().to_vec();
    for encoded in rest.split('%').filter(|_| first.len() < name.len()) {
        let (digits, plain) = encoded.split_at_checked(2)?;
        bytes.push(*hex::decode(digits).ok()?.first()?);
        bytes.extend_from_slice(plain.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

fn signed(node: &Node, cti: &str) -> Result<Response<Body>, ApiError> {
    let receipt = node.notary.ledger.recent(id(cti)?).ok_or_else(|| ApiError::not_found("no such receipt here"))?;
    Ok(whole(receipt, receipt::Receipt::TYP))
}

fn details(node: &Node, cti: &str, headers: &HeaderMap) -> Result<Response<Body>, ApiError> {
    let cti = id(cti)?;
    let credential = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Quoth "))
        .and_then(|hex| hex::decode(hex).ok());
    // Without the credential, a caller does not even learn whether details exist.
    credential
        .and_then(|credential| node.notary.details.take(cti, &credential))
        .map(|details| whole(details, "application/json"))
        .ok_or_else(|| ApiError::not_found("no such details here, or not for this credential"))
}

fn id(text: &str) -> Result<ExchangeId, ApiError> {
    text.parse().map_err(|_| ApiError::not_found("no such exchange here"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_paths() {
        for (path, name) in [
            ("tiny", Some("tiny")),
            ("models/gemma-3", Some("models/gemma-3")),
            ("models%2Fgemma-3", Some("models/gemma-3")),
            ("ft%3Agpt-4o%3aorg%3A%3Aid", Some("ft:gpt-4o:org::id")),
            ("%74iny", Some("tiny")),
            ("100%25", Some("100%")),
            ("a%", None),
            ("a%2", None),
            ("a%zz", None),
            ("%ff", None),
            ("%%41", None),
            ("", Some("")),
        ] {
            assert_eq!(decoded(path).as_deref(), name, "{path}");
        }
    }
}
