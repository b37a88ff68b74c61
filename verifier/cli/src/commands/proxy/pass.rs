//! Passes one request to the node, and its answer back.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HOST, ORIGIN};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use quoth_client::{Exchange, Options};
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use super::body::{Body, whole};
use super::failure::{Api, Failure};
use super::pool::Slot;
use super::service::Proxy;
use super::{headers, limits, stream};

pub(super) async fn handle(proxy: Arc<Proxy>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let api = Api::at(request.uri().path());
    let answer = route(&proxy, request, api).await;
    Ok(answer.unwrap_or_else(|failure| {
        proxy.log.failed(&failure, None);
        failure.response(api)
    }))
}

async fn route(proxy: &Arc<Proxy>, request: Request<Incoming>, api: Api) -> Result<Response<Body>, Failure> {
    if proxy.local_only && is_foreign(request.headers()) {
        return Err(Failure::Foreign);
    }
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str()).to_owned();
    match (request.method(), request.uri().path()) {
        (_, path) if path.len() > limits::TARGET_BYTES || target.len() > limits::TARGET_BYTES => {
            Err(Failure::TargetTooLong)
        }
        (&Method::GET, "/healthz") => health(proxy).await,
        (&Method::GET | &Method::POST, path) if !path.starts_with("/v1/") => Err(Failure::NotFound),
        (&Method::GET | &Method::POST, _) if request.version() < Version::HTTP_11 => Err(Failure::OldHttp),
        (&Method::GET, _) => look_up(proxy, &target, request.headers()).await,
        (&Method::POST, _) => ask(proxy, &target, request, api).await,
        _ => Err(Failure::NotFound),
    }
}

/// True if a web page may have caused the request: it can use any name, and point that name at this machine. Programs use
/// an address, or a name that is never in public DNS.
fn is_foreign(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST) else {
        return headers.contains_key(ORIGIN);
    };
    let host = host.to_str().unwrap_or_default();
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let name = name.map_or(host, |(name, _)| name);
    let is_address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
    let is_local = name == "localhost" || name.ends_with(".localhost") || name.ends_with(".internal");
    headers.contains_key(ORIGIN) || !(is_address || is_local)
}

/// Checks for a verified connection. If none is in use, it tries a kept one, or opens a new one.
async fn health(proxy: &Arc<Proxy>) -> Result<Response<Body>, Failure> {
    let well = match proxy.pool.is_at_work() {
        true => true,
        false => proxy.pool.slot().await?.get("/healthz", HeaderMap::new()).await?.status() == StatusCode::OK,
    };
    let status = if well { "ok" } else { "the node is not well" };
    let mut response = Response::new(whole(json!({ "status": status, "verified": true }).to_string()));
    *response.status_mut() = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok(response)
}

async fn look_up(proxy: &Arc<Proxy>, target: &str, from: &HeaderMap) -> Result<Response<Body>, Failure> {
    let answer = proxy.pool.slot().await?.get(target, headers::passed(from)).await?;
    let (parts, body) = answer.into_parts();
    Ok(respond(parts.status, headers::returned(&parts.headers), whole(body)))
}

async fn ask(
    proxy: &Arc<Proxy>,
    target: &str,
    request: Request<Incoming>,
    api: Api,
) -> Result<Response<Body>, Failure> {
    let (parts, body) = request.into_parts();
    if parts.headers.contains_key(CONTENT_ENCODING) {
        return Err(Failure::Encoded);
    }
    // Read a body only after there is a connection to send it on.
    let mut slot = proxy.pool.slot().await?;
    let body = read(&parts.headers, body).await?;
    let options = Options { details: proxy.details, headers: headers::passed(&parts.headers), ..Options::default() };
    let exchange = slot.post(target, &body, model(&body).as_deref(), &options).await?;
    drop(body);
    let status = StatusCode::from_u16(exchange.head().status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut headers = headers::returned(exchange.headers());
    if proxy.opening
        && let Ok(opening) = HeaderValue::try_from(BASE64_URL_SAFE_NO_PAD.encode(exchange.head().opening.as_bytes()))
    {
        headers.insert("quoth-opening", opening);
    }
    let body = match exchange.is_stream() {
        true => stream::body(Arc::clone(proxy), slot, exchange, api),
        false => whole(proxy.settle(slot, exchange).await?),
    };
    Ok(respond(status, headers, body))
}

impl Proxy {
    /// Finishes the exchange: saves the transcript, keeps the connection, returns the body.
    pub(super) async fn settle(&self, slot: Slot, exchange: Exchange) -> Result<Vec<u8>, Failure> {
        let cti = exchange.cti();
        let proven = exchange.finish().await?;
        slot.keep(proven.connection);
        let Some(folder) = &self.folder else {
            return Ok(proven.transcript.response.body);
        };
        let body = proven.transcript.response.body.clone();
        folder.proven(cti, proven.transcript).await?;
        Ok(body)
    }
}

/// Reads the body unchanged.
async fn read(headers: &HeaderMap, mut body: Incoming) -> Result<Bytes, Failure> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let collected = match announced {
        Some(length) if length > limits::BODY_BYTES => Err(Failure::BodyTooLong),
        _ => match timeout(limits::BODY, Limited::new(&mut body, limits::BODY_BYTES).collect()).await {
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Failure::BodyTooLong),
            Ok(Err(_)) => Err(Failure::BodyBroken),
            Err(_) => Err(Failure::BodyTimeout),
        },
    };
    if matches!(collected, Err(Failure::BodyTooLong)) {
        discard(body).await;
    }
    collected
}

/// Drains a long body: a client that still sends would not read the answer.
async fn discard(mut body: Incoming) {
    let rest = async {
        let mut left = limits::DISCARD_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(length) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    _ = timeout(limits::DISCARD, rest).await;
}

/// The model that a body names. If the body cannot be read, the node refuses it.
fn model(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        model: String,
    }
    serde_json::from_slice::<Named>(body).ok().map(|named| named.model)
}

fn respond(status: StatusCode, headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn web_pages_are_foreign_and_programs_are_not() {
        let foreign = |host: &str| is_foreign(&HeaderMap::from_iter([(HOST, host.parse().unwrap())]));
        for host in ["localhost", "localhost:8787", "127.0.0.1:8787", "[::1]:8787", "[::1]", "a.localhost:1"] {
            assert!(!foreign(host), "{host}");
        }
        assert!(!foreign("host.docker.internal:8787"));
        for host in ["evil.example", "evil.example:8787", "localhost.evil.example", "127.0.0.1.evil.example:8787", ""] {
            assert!(foreign(host), "{host}");
        }
        let page = [(HOST, "localhost".parse().unwrap()), (ORIGIN, "https://evil.example".parse().unwrap())];
        assert!(is_foreign(&HeaderMap::from_iter(page)));
    }

    #[test]
    fn the_model_is_read_and_nothing_else() {
        assert_eq!(model(br#"{"x":[{"model":"a"}],"model":"b"}"#).as_deref(), Some("b"));
        for body in [&br#"{"model":"a","model":"b"}"#[..], br#"{"model":1}"#, b"[]", b"\xff"] {
            assert_eq!(model(body), None);
        }
    }
}
