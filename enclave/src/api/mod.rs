//! What the HTTP paths mean.

mod answer;
mod body;
mod chat;
mod completions;
mod credentials;
mod embeddings;
mod endpoint;
mod error;
mod generate;
mod lookup;
mod names;
mod outgoing;
mod proof_headers;
mod read;
mod secrets;
mod source;
mod strict;
mod tokens;
mod upload;
mod upstream;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use quoth_attestation::statement::ShortText;
use quoth_engine::json;
use serde_json::Value;
use tokio::time::sleep;

use answer::Answer;
pub use body::Body;
use credentials::Credentials;
use endpoint::Endpoint;
pub use error::ApiError;
pub use outgoing::Outgoing;
use source::Source;
use upload::Upload;

use crate::callers::Admitted;
use crate::clock;
use crate::config::Api;
use crate::exchange::{Exchange, IncomingRequest};
use crate::hold::Hold;
use crate::node::Node;
use crate::pace::Taking;
use crate::server::Connection;
use crate::shares::Account;
use crate::upstream::Key;

/// Answers one request that came over `connection`. `taking` measures how fast the client reads the answer.
///
/// # Errors
/// [`Overloaded`].
pub async fn handle(
    node: Arc<Node>,
    connection: Arc<Connection>,
    taking: Arc<Taking>,
    request: Request<Incoming>,
) -> Result<Response<Outgoing>, Overloaded> {
    let running = connection.runs();
    let (head, body) = request.into_parts();
    let mut upload = Upload::new(body);
    let answered = respond(&node, &connection, head, &mut upload).await;
    let (response, hold) = answered.inspect_err(|_: &Overloaded| connection.overloads())?;
    upload.discard();
    let pause = connection.answers(is_refusal(response.status()));
    if !pause.is_zero() {
        sleep(pause).await;
    }
    Ok(response.map(|body| Outgoing::new(body, taking, hold, running)))
}

/// The node has no memory to answer a request at all. Its stream is reset, or its connection closed.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("no memory for another request")]
pub struct Overloaded;

/// Whether a status tells the client not to repeat the request, or not at once.
fn is_refusal(status: StatusCode) -> bool {
    status.is_client_error() || status == StatusCode::SERVICE_UNAVAILABLE
}

/// Returns the answer, and the hold that lasts until the client has read it.
async fn respond(
    node: &Arc<Node>,
    connection: &Arc<Connection>,
    head: Parts,
    upload: &mut Upload,
) -> Result<(Response<Body>, Arc<Hold>), Overloaded> {
    let cost = read::head_cost(&head);
    // Requests that are not admitted yet use a separate part of the memory budget.
    let waiting = Account { memory: Arc::clone(&node.budgets.unadmitted), party: connection.party() };
    let waiting = Hold::new(waiting, Admitted::default(), cost).ok_or(Overloaded)?;
    if let Err(error) = strict::check(&head) {
        return Ok((error.response(Api::Openai), waiting));
    }
    let endpoint = Endpoint::at(head.uri.path());
    let Some(endpoint) = endpoint.filter(|_| head.method == Method::POST) else {
        let response = match endpoint {
            Some(_) => ApiError::method("POST").response(Api::Openai),
            None if head.uri.path() == secrets::PATH => secrets::answer(node, &head, upload).await,
            None => lookup::answer(node, &waiting, &head).await,
        };
        return Ok((response, waiting));
    };
    let credentials = Credentials::read(&head.headers);
    let admitted = match admit(node, connection, &credentials) {
        Ok(admitted) => admitted,
        Err(error) => return Ok((shed(node, endpoint, &error), waiting)),
    };
    let account = node.budgets.account(admitted.party.unwrap_or_else(|| connection.party()));
    let Some(hold) = Hold::new(account, admitted, cost) else {
        return Ok((shed(node, endpoint, &ApiError::no_memory()), waiting));
    };
    drop(waiting);
    let response = exchange(node, connection, &hold, endpoint, credentials.key, head, upload).await;
    Ok((response, hold))
}

/// Turns a request away before it becomes an exchange.
fn shed(node: &Node, endpoint: Endpoint, error: &ApiError) -> Response<Body> {
    node.metrics.shed.fetch_add(1, Relaxed);
    error.response(endpoint.api())
}

/// Decides by the head whether the caller may ask now.
fn admit(node: &Node, connection: &Connection, credentials: &Credentials) -> Result<Admitted, ApiError> {
    if clock::seconds() >= node.identity.statement().not_after() {
        return Err(ApiError::expired());
    }
    if !node.journal.is_attached() {
        return Err(ApiError::no_journal());
    }
    let admitted = node.callers.admit(credentials.token.as_ref().map(|token| token.as_str()), &node.secrets)?;
    if admitted.party.is_some() {
        connection.prove();
    }
    Ok(admitted)
}

/// Reads the request whole, then answers it; from then on there will be a receipt.
async fn exchange(
    node: &Arc<Node>,
    connection: &Connection,
    hold: &Arc<Hold>,
    endpoint: Endpoint,
    key: Option<Key>,
    head: Parts,
    upload: &mut Upload,
) -> Response<Body> {
    let request = match read::whole(node, connection, hold, key, head, upload).await {
        Ok(request) => request,
        Err(error) => return shed(node, endpoint, &error),
    };
    // The slot is taken only now, so that slow bodies take no slots.
    let Some(slot) = node.budgets.slots.take(hold.account().party, 1) else {
        return shed(node, endpoint, &ApiError::too_many("too many requests at once"));
    };
    hold.keep(slot);
    if request.proof.head && !node.budgets.take_head(hold.account().party) {
        return shed(node, endpoint, &ApiError::too_many("too many heads at once"));
    }
    let Ok(place) = node.journal.reserve() else {
        return shed(node, endpoint, &ApiError::no_journal());
    };
    connection.prove();
    let Ok(mut exchange) = Exchange::begin(&node.notary, place, Arc::clone(hold), &request) else {
        return shed(node, endpoint, &ApiError::internal());
    };
    match answer(node, endpoint, &request, &mut exchange).await {
        Ok(answer) => answer.response(exchange, endpoint.api()),
        Err(error) => refuse(exchange, &error, endpoint),
    }
}

/// Chooses by the model's name: a provider, or a local model.
async fn answer(
    node: &Arc<Node>,
    endpoint: Endpoint,
    request: &IncomingRequest,
    exchange: &mut Exchange,
) -> Result<Answer<Source>, ApiError> {
    // The bytes that are read here are the bytes that were hashed.
    let wrong = |error| ApiError::json(&error);
    let body = json::check(&request.body).map_err(wrong)?;
    names::check(body)?;
    if let Some(model) = body.member("model")
        && let Some(name) = model.text()
        // The receipt will name the model, so the name must fit.
        && let name = ShortText::new(name).map_err(|_| ApiError::model_name())?
        && node.engine(&name).is_none()
        && let Some(route) = node.upstreams.route(&name)
    {
        let slot = node.budgets.upstream_slots[route.place].take(exchange.hold().account().party, 1);
        exchange.hold().keep(slot.ok_or_else(|| ApiError::too_many("too many requests to this provider at once"))?);
        let place = (name != route.model).then(|| model.place());
        let streams = body.member("stream").is_some_and(|stream| stream.source() == "true");
        let answer = upstream::answer(node, &route, endpoint, place, streams, request, exchange).await?;
        return Ok(answer.map(|pieces| Source::Upstream(Box::new(pieces))));
    }
    // The tree is many times larger than its text. It is dropped once the request has been read.
    let tree = exchange.hold().account().take(read::tree_cost(&request.body)).ok_or_else(ApiError::no_memory)?;
    let body = json::parse(&request.body).map_err(wrong)?;
    let answer = match endpoint {
        Endpoint::Chat => chat::answer(node, (body, tree), request, exchange).await,
        Endpoint::Completions => completions::answer(node, (body, tree), request, exchange).await,
        Endpoint::Embeddings => embeddings::answer(node, (body, tree), request, exchange).await,
        Endpoint::Responses | Endpoint::Messages => {
            let is_local = body.get("model").and_then(Value::as_str).is_some_and(|name| node.engine(name).is_some());
            Err(if is_local { ApiError::local_path() } else { ApiError::no_model() })
        }
    };
    answer.map(|answer| answer.map(Source::Local))
}

/// Ends an exchange with an error; its receipt says whose fault it was.
fn refuse(mut exchange: Exchange, error: &ApiError, endpoint: Endpoint) -> Response<Body> {
    let mut headers = HeaderMap::new();
    exchange.breaks_off();
    if exchange.answer(error.status().as_u16(), &error.body(endpoint.api()), error.outcome(), &mut headers).is_err() {
        return ApiError::internal().response(endpoint.api());
    }
    let mut response = error.response(endpoint.api());
    response.headers_mut().extend(headers);
    response
}
