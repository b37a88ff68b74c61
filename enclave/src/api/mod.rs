//! What the HTTP paths mean.

mod answer;
mod caller;
mod chat;
mod completions;
mod credentials;
mod embeddings;
mod endpoint;
mod error;
mod forwarded;
mod generate;
mod lookup;
mod read;
mod secrets;
mod tokens;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use quoth_engine::{Caller, json};

use answer::Answer;
use credentials::Credentials;
use endpoint::Endpoint;
pub use error::ApiError;

use crate::clock;
use crate::exchange::{Asked, Exchange};
use crate::journal::NoRoom;
use crate::node::Node;

/// A response body: whole, or an event stream.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Answers one request that came over `connection`.
pub async fn handle(node: Arc<Node>, connection: Caller, request: Request<Incoming>) -> Response<Body> {
    if request.uri().path() == secrets::PATH {
        return secrets::answer(&node, request).await;
    }
    let Some(endpoint) = Endpoint::at(request.uri().path()) else {
        return lookup::answer(&node, &request).await;
    };
    match *request.method() {
        Method::POST => exchange(node, connection, endpoint, request).await,
        _ => ApiError::method("POST").response(endpoint.api()),
    }
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
        error.response(endpoint.api())
    };
    if clock::seconds() >= node.statement().not_after {
        return shed(ApiError::unavailable("statement_expired", "this node must be restarted"));
    }
    let Credentials { token, key } = Credentials::read(request.headers());
    let admitted = match node.callers.admit(token.as_ref().map(|token| token.as_str()), &node.secrets) {
        Ok(admitted) => admitted,
        Err(why) => return shed(why.into()),
    };
    let place = match node.journal.reserve() {
        Ok(place) => place,
        Err(NoRoom::Journal) => {
            return shed(ApiError::no_journal());
        }
        Err(NoRoom::Exchanges) => return shed(ApiError::too_many("too many requests at once")),
    };
    let asked = match read::whole(&node, connection, key, request).await {
        Ok(asked) => asked,
        Err(error) => return shed(error),
    };
    let Ok(mut exchange) = Exchange::begin(&node, place, admitted, &asked) else {
        return shed(ApiError::internal());
    };
    match answer(&node, endpoint, &asked, &mut exchange).await {
        Ok(answer) => answer.response(exchange),
        Err(error) => refuse(exchange, &error, endpoint),
    }
}

/// By the model's name: a provider that has it, or a model of this node's own.
async fn answer(
    node: &Arc<Node>,
    endpoint: Endpoint,
    asked: &Asked,
    exchange: &mut Exchange,
) -> Result<Answer, ApiError> {
    // What is read is what was hashed.
    let wrong = |error| ApiError::json(&error);
    let request = json::check(&asked.body).map_err(wrong)?;
    if let Some(model) = request.member("model")
        && let Some(name) = model.text().filter(|name| node.engine(name).is_none())
        && let Some(route) = node.upstreams.route(&name)
    {
        let place = (name != route.model).then(|| model.place());
        let streams = request.member("stream").is_some_and(|stream| stream.source() == "true");
        return forwarded::answer(node, &route, endpoint, place, streams, asked, exchange).await;
    }
    let body = json::parse(&asked.body).map_err(wrong)?;
    match endpoint {
        Endpoint::Chat => chat::answer(node, body, asked, exchange).await,
        Endpoint::Completions => completions::answer(node, body, asked, exchange).await,
        Endpoint::Embeddings => embeddings::answer(node, body, asked, exchange).await,
        Endpoint::Responses | Endpoint::Messages => Err(ApiError::no_model()),
    }
}

/// Ends an exchange with an error; its receipt says whose fault it was.
fn refuse(mut exchange: Exchange, error: &ApiError, endpoint: Endpoint) -> Response<Body> {
    let mut headers = HeaderMap::new();
    exchange.breaks_off();
    exchange.answer(error.status().as_u16(), &error.body(endpoint.api()), error.outcome(), &mut headers);
    let mut response = error.response(endpoint.api());
    response.headers_mut().extend(headers);
    response
}
