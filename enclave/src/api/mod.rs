//! What the HTTP paths mean.

mod answer;
mod caller;
mod chat;
mod completions;
mod embeddings;
mod error;
mod generate;
mod lookup;
mod read;
mod tokens;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use quoth_attestation::receipt::Outcome;
use quoth_engine::{Caller, json};

pub use error::ApiError;

use crate::clock;
use crate::exchange::{Asked, Exchange};
use crate::journal::NoRoom;
use crate::node::Node;

/// A response body: whole, or an event stream.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Answers one request that came over `connection`.
pub async fn handle(node: Arc<Node>, connection: Caller, request: Request<Incoming>) -> Response<Body> {
    let endpoint = match request.uri().path() {
        "/v1/chat/completions" => Endpoint::Chat,
        "/v1/completions" => Endpoint::Completions,
        "/v1/embeddings" => Endpoint::Embeddings,
        _ => return lookup::answer(&node, &request).await,
    };
    match *request.method() {
        Method::POST => exchange(node, connection, endpoint, request).await,
        _ => ApiError::method("POST").response(),
    }
}

#[derive(Clone, Copy)]
enum Endpoint {
    Chat,
    Completions,
    Embeddings,
}

/// Reads the request whole, then answers it; from then on there will be a receipt.
async fn exchange(
    node: Arc<Node>,
    connection: Caller,
    endpoint: Endpoint,
    request: Request<Incoming>,
) -> Response<Body> {
    let shed = |error: ApiError| {
        node.metrics.shed.fetch_add(1, Relaxed);
        error.response()
    };
    if clock::seconds() >= node.statement().not_after {
        return shed(ApiError::unavailable("statement_expired", "this node must be restarted"));
    }
    let place = match node.journal.reserve() {
        Ok(place) => place,
        Err(NoRoom::Journal) => {
            return shed(ApiError::no_journal());
        }
        Err(NoRoom::Exchanges) => return shed(ApiError::too_many("too many requests at once")),
    };
    let asked = match read::whole(&node, connection, request).await {
        Ok(asked) => asked,
        Err(error) => return shed(error),
    };
    let Ok(mut exchange) = Exchange::begin(&node, place, &asked) else {
        return shed(ApiError::internal());
    };
    let answer = match endpoint {
        Endpoint::Chat => chat::answer(&node, &asked, &mut exchange).await,
        Endpoint::Completions => completions::answer(&node, &asked, &mut exchange).await,
        Endpoint::Embeddings => embeddings::answer(&node, &asked, &mut exchange).await,
    };
    match answer {
        Ok(answer) => answer.response(exchange),
        Err(error) => refuse(exchange, &error),
    }
}

/// Ends an exchange with an error; its receipt says whose fault it was.
fn refuse(exchange: Exchange, error: &ApiError) -> Response<Body> {
    let outcome = if error.is_fault() { Outcome::EngineFailed } else { Outcome::Refused };
    let mut headers = HeaderMap::new();
    exchange.answer(error.status().as_u16(), &error.body(), outcome, &mut headers);
    let mut response = error.response();
    response.headers_mut().extend(headers);
    response
}

/// The body as a value; what is parsed is what was hashed.
fn parse(asked: &Asked) -> Result<serde_json::Value, ApiError> {
    json::parse(&asked.body).map_err(|error| ApiError::json(&error))
}
