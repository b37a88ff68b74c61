//! A request that a closed provider answers: passed on byte for byte, in both directions.

mod stream;

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{Response, StatusCode};
use quoth_attestation::headers::is_event_stream;
use quoth_attestation::receipt::Credential;
use serde_json::Value;
use tokio::task::{spawn_blocking, yield_now};
use tokio::time::{sleep, timeout};

pub(super) use stream::UpstreamStream;

use super::ApiError;
use super::answer::Answer;
use super::endpoint::Endpoint;
use crate::exchange::{Exchange, IncomingRequest, Noted};
use crate::hold::{Collected, Hold};
use crate::limits;
use crate::node::Node;
use crate::upstream::{self, Answered, Body, CachedCounts, Failed, Key, Received, Route, Seen, UpstreamError};

/// Sends the request to a provider, and passes its answer on. `renamed`: where the model's name stands in the body, if
/// the provider has another name for it. `streams`: whether the request asks for events.
pub(super) async fn answer(
    node: &Node,
    route: &Route,
    endpoint: Endpoint,
    renamed: Option<Range<usize>>,
    streams: bool,
    request: &IncomingRequest,
    exchange: &mut Exchange,
) -> Result<Answer<UpstreamStream>, ApiError> {
    if route.upstream.api() != endpoint.api() {
        return Err(ApiError::bad("wrong_endpoint", "the model's provider is asked at another path"));
    }
    let (key, credential) = match (&request.key, node.secrets.get(route.upstream.name())) {
        (Some(key), _) => (key.clone(), Credential::Caller),
        (None, Some(key)) => (Key::held(key), Credential::Operator),
        (None, None) => return Err(ApiError::no_key()),
    };
    let altered = renamed.is_some();
    if altered && !exchange.hold().grow(request.body.len()) {
        return Err(ApiError::no_memory());
    }
    let sent = renamed.map_or_else(|| request.body.clone(), |place| spliced(&request.body, place, &route.model));
    let outgoing = route.upstream.request(&request.target, &request.passed, &key, sent);
    let outgoing =
        outgoing.ok_or_else(|| ApiError::bad("invalid_header", "the key or the path cannot be passed on"))?;
    exchange.forwards(route, &outgoing, altered, credential);
    let mut retries = request.proof.retries;
    let answered = loop {
        // Signs while the request is on its way.
        let signing = async {
            if streams {
                yield_now().await;
                exchange.may_stream();
            }
        };
        let (answered, ()) = join(route.upstream.send(&outgoing), signing).await;
        let answered = match answered {
            Ok(answered) => answered,
            Err(Failed { error, peer }) => {
                peer.into_iter().for_each(|peer| exchange.connected(peer));
                return Err(ApiError::upstream(error));
            }
        };
        exchange.connected(answered.peer.clone());
        let Some(wait) = again(&answered.response).filter(|_| retries > 0) else { break answered };
        retries -= 1;
        discard(answered).await;
        sleep(wait).await;
        exchange.retries();
    };
    let status = answered.response.status();
    if credential == Credential::Operator && matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        discard(answered).await;
        return Err(ApiError::operator_key(status));
    }
    let secret = Some(&key).filter(|_| credential == Credential::Operator);
    let hides = secret.is_some() && route.upstream.hides_cached_tokens();
    pass_on(answered, route.upstream.silence(), endpoint, hides, secret, exchange).await.map_err(ApiError::upstream)
}

/// How long to wait before asking a busy provider again; none if it should not be asked again.
fn again<T>(response: &Response<T>) -> Option<Duration> {
    if !matches!(response.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return None;
    }
    let Some(named) = response.headers().get(RETRY_AFTER) else { return Some(limits::RETRY) };
    let wait = Duration::from_secs(named.to_str().ok()?.parse().ok()?);
    (wait <= limits::RETRY_MOST).then_some(wait)
}

/// Drops an answer. Its connection is kept for reuse if the answer ends soon.
async fn discard(mut answered: Answered) {
    let rest = async {
        while let Some(piece) = answered.response.body_mut().piece().await {
            piece?;
        }
        Ok::<_, UpstreamError>(())
    };
    if matches!(timeout(limits::UPSTREAM_CLOSE, rest).await, Ok(Ok(()))) {
        answered.lease.finish();
    }
}

/// Puts the provider's own name for the model into the body.
fn spliced(body: &Bytes, place: Range<usize>, model: &str) -> Bytes {
    let name = Value::from(model).to_string();
    [&body[..place.start], name.as_bytes(), &body[place.end..]].concat().into()
}

/// `hides`: counts of cached tokens are hidden. `secret`: a key that the caller must not see.
async fn pass_on(
    answered: Answered,
    silence: Duration,
    endpoint: Endpoint,
    hides: bool,
    secret: Option<&Key>,
    exchange: &mut Exchange,
) -> Result<Answer<UpstreamStream>, UpstreamError> {
    let Answered { response, lease, .. } = answered;
    let (head, body) = response.into_parts();
    if head.status.is_redirection() || head.status.is_informational() {
        return Err(UpstreamError::Redirect);
    }
    if !head.headers.get_all(CONTENT_ENCODING).iter().all(|value| value == "identity") {
        return Err(UpstreamError::Encoded);
    }
    let headers = upstream::returns(&head.headers);
    let request_id = ["x-request-id", "request-id"].iter().find_map(|name| headers.get(*name)?.to_str().ok());
    // Looks in the provider's own head, because a second field would not pass.
    let mut media_types = head.headers.get_all(CONTENT_TYPE).iter();
    let media_type = media_types.next().and_then(|value| value.to_str().ok()).unwrap_or_default();
    if media_types.next().is_some() {
        return Err(UpstreamError::MediaType);
    }
    if head.status == StatusCode::OK && is_event_stream(media_type) {
        exchange.answers(request_id, hides);
        let memory = exchange.hold().account().take(0).ok_or(UpstreamError::NoMemory)?;
        let pieces = UpstreamStream::new((body, lease), memory, endpoint, hides, silence);
        return Ok(Answer::Stream { pieces, headers, window: limits::UPSTREAM_WINDOW as usize });
    }
    let body = whole(body, silence, exchange.hold()).await?;
    lease.finish();
    let is_error = head.status.is_client_error() || head.status.is_server_error();
    if is_error && secret.is_some_and(|key| body.len() > limits::UPSTREAM_JSON || key.may_show_in(&body)) {
        return Err(UpstreamError::ShowsKey);
    }
    let read = {
        let body = body.clone();
        move || {
            let mut seen = Seen::default();
            seen.note(&body);
            (seen, if hides { CachedCounts::of(&body) } else { Ok(CachedCounts::default()) })
        }
    };
    let (seen, counts) = match body.len() <= limits::UPSTREAM_JSON {
        true => read(),
        false => spawn_blocking(read).await.map_err(|_| UpstreamError::Unreadable)?,
    };
    let counts = counts?;
    // Pays for the copy without the counts.
    if !counts.is_empty() && !exchange.hold().grow(body.len()) {
        return Err(UpstreamError::NoMemory);
    }
    exchange.answers(request_id, hides);
    let outcome = seen.outcome(head.status);
    let received = Received::new(body, counts);
    let body = received.shown();
    exchange.note(Noted::Upstream { received: vec![received], seen: Some(seen) });
    Ok(Answer::Whole { status: head.status, headers, body, outcome })
}

/// A body in one piece, held until it is whole so that its receipt can travel in the headers.
async fn whole(mut body: Body, silence: Duration, hold: &Hold) -> Result<Bytes, UpstreamError> {
    let mut whole = Collected::new(hold);
    while let Some(data) = timeout(silence, body.piece()).await.map_err(|_| UpstreamError::Silent)? {
        let data = data?;
        if data.len() > limits::UPSTREAM_BODY - whole.len() {
            return Err(UpstreamError::TooLong);
        }
        whole.append(&data).map_err(|_| UpstreamError::NoMemory)?;
    }
    Ok(whole.finish())
}
