//! A request that a closed provider answers: passed on byte for byte, in both directions.

use std::ops::Range;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::join;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{Response, StatusCode};
use quoth_attestation::receipt::{Credential, Outcome};
use serde_json::Value;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::ApiError;
use super::answer::Answer;
use super::endpoint::Endpoint;
use crate::exchange::{Asked, End, Events, Exchange};
use crate::limits;
use crate::node::Node;
use crate::upstream::{self, Answered, Body, EventReader, Failed, Framed, Key, Lease, Route, Seen, UpstreamError};

/// `renamed`: where the model's name stands in the body, when the provider calls it something else. `streams`: whether
/// events are asked for.
pub(super) async fn answer(
    node: &Node,
    route: &Route,
    endpoint: Endpoint,
    renamed: Option<Range<usize>>,
    streams: bool,
    asked: &Asked,
    exchange: &mut Exchange,
) -> Result<Answer, ApiError> {
    if route.upstream.api() != endpoint.api() {
        return Err(ApiError::bad("wrong_endpoint", "the model's provider is asked at another path"));
    }
    let (key, credential) = match (&asked.key, node.secrets.get(route.upstream.name())) {
        (Some(key), _) => (key.clone(), Credential::Caller),
        (None, Some(key)) => (Key::held(key), Credential::Operator),
        (None, None) => return Err(ApiError::no_key()),
    };
    let altered = renamed.is_some();
    let sent = renamed.map_or_else(|| asked.body.clone(), |place| spliced(&asked.body, place, &route.model));
    let forward = route.upstream.forward(&asked.target, &asked.passed, &key, sent);
    let forward = forward.ok_or_else(|| ApiError::bad("invalid_header", "the key or the path cannot be passed on"))?;
    exchange.forwards(route, &forward, altered, credential);
    let mut retries = asked.caller.retries;
    let answered = loop {
        // While the request is on its way there is time to sign.
        let signing = async {
            if streams {
                yield_now().await;
                exchange.may_stream();
            }
        };
        let (answered, ()) = join(route.upstream.send(&forward), signing).await;
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
    pass_on(answered, route.upstream.silence(), endpoint, exchange).await.map_err(ApiError::upstream)
}

/// How long to wait before a provider that is too busy is asked again; none when that makes no sense.
fn again<T>(response: &Response<T>) -> Option<Duration> {
    if !matches!(response.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return None;
    }
    let Some(named) = response.headers().get(RETRY_AFTER) else { return Some(limits::RETRY) };
    let wait = Duration::from_secs(named.to_str().ok()?.parse().ok()?);
    (wait <= limits::RETRY_MOST).then_some(wait)
}

/// Takes back the connection of an answer that is not passed on, if it comes to its end soon.
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

/// The body with the provider's own name for the model.
fn spliced(body: &Bytes, place: Range<usize>, model: &str) -> Bytes {
    let name = Value::from(model).to_string();
    [&body[..place.start], name.as_bytes(), &body[place.end..]].concat().into()
}

async fn pass_on(
    answered: Answered,
    silence: Duration,
    endpoint: Endpoint,
    exchange: &mut Exchange,
) -> Result<Answer, UpstreamError> {
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
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if head.status == StatusCode::OK && media_type.split(';').next().map(str::trim) == Some("text/event-stream") {
        exchange.answers(request_id);
        let stream = Forwarded {
            body,
            lease: Some(lease),
            events: EventReader::default(),
            api: endpoint,
            silence,
            deadline: Instant::now() + silence,
            failed: None,
            held: None,
        };
        return Ok(Answer::Forwarded(Box::new(stream), headers));
    }
    let body = whole(body, silence).await?;
    lease.finish();
    exchange.answers(request_id);
    let mut seen = Seen::default();
    seen.note(&body);
    exchange.saw(&seen);
    let outcome = outcome(head.status, &seen);
    Ok(Answer::Whole { status: head.status, headers, body, outcome })
}

fn outcome(status: StatusCode, seen: &Seen) -> Outcome {
    match (status.is_server_error(), seen.limited) {
        (true, _) => Outcome::UpstreamFailed,
        (false, true) => Outcome::Length,
        (false, false) => Outcome::Complete,
    }
}

/// A body in one piece, held until it is whole so that its receipt can travel in the headers.
async fn whole(mut body: Body, silence: Duration) -> Result<Bytes, UpstreamError> {
    let mut whole = BytesMut::new();
    while let Some(data) = timeout(silence, body.piece()).await.map_err(|_| UpstreamError::Silent)? {
        let data = data?;
        if data.len() > limits::UPSTREAM_BODY - whole.len() {
            return Err(UpstreamError::TooLong);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

/// A provider's event stream. Dropping it closes the provider's connection, or resets its stream.
pub(super) struct Forwarded {
    body: Body,
    lease: Option<Lease>,
    events: EventReader,
    api: Endpoint,
    silence: Duration,
    /// When it has been silent for too long.
    deadline: Instant,
    /// Why it ends, once what came before has left.
    failed: Option<UpstreamError>,
    /// The event that ends it.
    held: Option<Bytes>,
}

impl Events for Forwarded {
    async fn next(&mut self, exchange: &mut Exchange, out: &mut BytesMut) -> Option<End> {
        if let Some(error) = self.failed.take() {
            return Some(self.fail(error, exchange, out));
        }
        match self.read(out).await {
            Ok(false) => None,
            Ok(true) => Some(self.end(exchange)),
            Err(error) if out.is_empty() => Some(self.fail(error, exchange, out)),
            Err(error) => {
                self.failed = Some(error);
                None
            }
        }
    }
}

impl Forwarded {
    /// Appends the next whole events; true at the end of the stream. Nothing is lost when its wait is given up.
    async fn read(&mut self, out: &mut BytesMut) -> Result<bool, UpstreamError> {
        while out.is_empty() {
            let piece = timeout_at(self.deadline, self.body.piece()).await;
            let piece = match (piece, &self.held) {
                (Ok(piece), _) => piece,
                // It has said all that it had to say.
                (Err(_), Some(_)) => return Ok(true),
                (Err(_), None) => return Err(UpstreamError::Silent),
            };
            let Some(data) = piece else {
                self.events.finish()?;
                self.lease.take().into_iter().for_each(Lease::finish);
                return Ok(true);
            };
            let data = data?;
            self.deadline = Instant::now() + self.silence;
            self.events.push(&data)?;
            while let Some(Framed { bytes, terminal }) = self.events.event()? {
                match terminal {
                    true => {
                        self.deadline = Instant::now() + limits::UPSTREAM_CLOSE;
                        self.held = Some(bytes);
                    }
                    false => out.extend_from_slice(&bytes),
                }
            }
        }
        Ok(false)
    }

    fn end(&mut self, exchange: &mut Exchange) -> End {
        exchange.saw(&self.events.seen);
        let outcome = outcome(StatusCode::OK, &self.events.seen);
        End { outcome, terminal: self.held.take().unwrap_or_default() }
    }

    /// Says so in the shape of the API, in an event that is this node's own.
    fn fail(&mut self, error: UpstreamError, exchange: &mut Exchange, out: &mut BytesMut) -> End {
        self.lease = None;
        exchange.saw(&self.events.seen);
        exchange.breaks_off();
        let error = ApiError::upstream(error);
        if self.api != Endpoint::Chat && self.api != Endpoint::Completions {
            out.extend_from_slice(b"event: error\n");
        }
        out.extend_from_slice(&[b"data: ", &error.body(self.api.api())[..], b"\n\n"].concat());
        End { outcome: Outcome::UpstreamFailed, terminal: Bytes::new() }
    }
}
