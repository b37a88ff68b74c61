//! Serves one request: reads, keeps, checks and answers it.

use std::convert::Infallible;
use std::mem;
use std::sync::Arc;
use std::time::Instant;

use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Response, StatusCode};
use serde_json::Value;

use crate::ask::Ask;
use crate::body::Body;
use crate::errors::Api;
use crate::reply::Reply;
use crate::respond;
use crate::session::Session;
use crate::shared::Shared;
use crate::watch::Watch;
use crate::{Request, anthropic, openai};

pub(crate) async fn serve(
    shared: Arc<Shared>,
    session: Arc<Session>,
    ordinal: u32,
    request: hyper::Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let began = Instant::now();
    let behaviour = shared.treats();
    let number = shared.number();
    let watch = Watch::new(shared.clone());
    let (parts, body) = request.into_parts();
    let arriving =
        Arriving { shared: &shared, session: &session, parts: &parts, body: Vec::new(), complete: false, kept: false };
    let body = arriving.read(body).await;

    let api = Api::of(parts.uri.path());
    let request = format!("req_{number:016x}");
    let asked = respond::Asked { api, request, session, ordinal, version: parts.version, began };
    if let Some(response) = asked.instead(&behaviour).await {
        return Ok(response.map(|body| watch.over(body)));
    }
    let reply = match api {
        Api::OpenAi => openai_reply(&shared, &parts, &body, number, &asked.request),
        Api::Anthropic => anthropic_reply(&shared, &parts, &body, number, &asked.request),
    };
    let response = asked.respond(&behaviour, reply, shared.options.pause).await;
    Ok(response.map(|body| watch.over(body)))
}

/// A request that is arriving. It is kept even if hyper drops it because the client left.
struct Arriving<'a> {
    shared: &'a Shared,
    session: &'a Session,
    parts: &'a Parts,
    body: Vec<u8>,
    complete: bool,
    kept: bool,
}

impl Arriving<'_> {
    async fn read(mut self, mut body: Incoming) -> Bytes {
        self.complete = loop {
            match body.frame().await {
                Some(Ok(frame)) => self.body.extend(frame.data_ref().into_iter().flatten()),
                Some(Err(_)) => break false,
                None => break true,
            }
        };
        self.keep()
    }

    fn keep(&mut self) -> Bytes {
        self.kept = true;
        let body = Bytes::from(mem::take(&mut self.body));
        self.shared.keep(Request::new(self.session, self.parts, body.clone(), self.complete));
        body
    }
}

impl Drop for Arriving<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.keep();
        }
    }
}

fn openai_reply(shared: &Shared, parts: &Parts, body: &[u8], number: u64, request: &str) -> Reply {
    let api = Api::OpenAi;
    match bearer(&parts.headers) {
        Some(key) if key == shared.options.key => {}
        Some(key) => {
            let message = format!(
                "Incorrect API key provided: {}. You can find your API key at https://platform.openai.com/account/api-keys.",
                masked(key)
            );
            return api.error(StatusCode::UNAUTHORIZED, Some("invalid_api_key"), &message, request);
        }
        None => {
            let message = "You didn't provide an API key. You need to provide your API key in an Authorization header \
                           using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).";
            return api.error(StatusCode::UNAUTHORIZED, None, message, request);
        }
    }
    let path = parts.uri.path();
    let (answer, needed): (fn(&Ask) -> Reply, &str) = match (&parts.method, path) {
        (&Method::GET, "/v1/models") => return openai::models(),
        (&Method::POST, "/v1/chat/completions") => (openai::chat, "messages"),
        (&Method::POST, "/v1/responses") => (openai::responses, "input"),
        (&Method::POST, "/v1/embeddings") => (openai::embeddings, "input"),
        (method, _) => {
            let message = format!("Invalid URL ({method} {path})");
            return api.error(StatusCode::NOT_FOUND, Some("unknown_url"), &message, request);
        }
    };
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        let message = "We could not parse the JSON body of your request.";
        return api.error(StatusCode::BAD_REQUEST, None, message, request);
    };
    if !body["model"].is_string() {
        return api.error(StatusCode::BAD_REQUEST, None, "you must provide a model parameter", request);
    }
    if body[needed].is_null() {
        return api.missing(needed, request);
    }
    answer(&Ask { body, number, deltas: shared.options.deltas })
}

fn anthropic_reply(shared: &Shared, parts: &Parts, body: &[u8], number: u64, request: &str) -> Reply {
    let refuse = |status, message: &str| Api::Anthropic.error(status, None, message, request);
    // Newer Anthropic clients send the key as OpenAI's do.
    match (field(&parts.headers, "x-api-key"), bearer(&parts.headers)) {
        (Some(key), _) | (None, Some(key)) if key == shared.options.key => {}
        (Some(_), _) => return refuse(StatusCode::UNAUTHORIZED, "invalid x-api-key"),
        (None, Some(_)) => return refuse(StatusCode::UNAUTHORIZED, "Invalid bearer token"),
        (None, None) => return refuse(StatusCode::UNAUTHORIZED, "x-api-key header is required"),
    }
    if parts.method != Method::POST || parts.uri.path() != "/v1/messages" {
        return refuse(StatusCode::NOT_FOUND, "Not Found");
    }
    if field(&parts.headers, "anthropic-version").is_none() {
        return refuse(StatusCode::BAD_REQUEST, "anthropic-version: header is required");
    }
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return refuse(StatusCode::BAD_REQUEST, "The request body is not valid JSON");
    };
    for name in ["model", "messages", "max_tokens"] {
        if body[name].is_null() {
            return Api::Anthropic.missing(name, request);
        }
    }
    anthropic::messages(&Ask { body, number, deltas: shared.options.deltas })
}

fn field<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    field(headers, "authorization")?.strip_prefix("Bearer ")
}

/// Returns a key as error messages show it: only its ends.
fn masked(key: &str) -> String {
    if key.len() > 12 && key.is_ascii() {
        format!("{}{}{}", &key[..8], "*".repeat(key.len() - 12), &key[key.len() - 4..])
    } else {
        "*".repeat(key.len())
    }
}
