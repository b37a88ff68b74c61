//! A request that a closed provider answers: passed on byte for byte, in both directions.

use std::mem;
use std::ops::Range;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::join;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{Response, StatusCode};
use quoth_attestation::events;
use quoth_attestation::fields::is_event_stream;
use quoth_attestation::receipt::{Credential, Outcome};
use serde_json::Value;
use tokio::task::{JoinHandle, spawn_blocking, yield_now};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::ApiError;
use super::answer::Answer;
use super::endpoint::Endpoint;
use crate::exchange::{Asked, End, Events, Exchange};
use crate::hold::{Collected, Hold};
use crate::limits;
use crate::node::Node;
use crate::shares::Share;
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
    if altered && !exchange.hold().grow(asked.body.len()) {
        return Err(ApiError::no_memory());
    }
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
    // In the provider's own head: a second one would not be among those that pass.
    let mut media_types = head.headers.get_all(CONTENT_TYPE).iter();
    let media_type = media_types.next().and_then(|value| value.to_str().ok()).unwrap_or_default();
    if media_types.next().is_some() {
        return Err(UpstreamError::MediaType);
    }
    if head.status == StatusCode::OK && is_event_stream(media_type) {
        exchange.answers(request_id);
        let stream = Forwarded {
            body,
            lease: Some(lease),
            events: EventReader::default(),
            memory: exchange.hold().account().take(0).ok_or(UpstreamError::NoMemory)?,
            seen: Seen::default(),
            noting: None,
            api: endpoint,
            silence,
            deadline: Instant::now() + silence,
            failed: None,
            held: None,
            after_end: 0,
            closed: false,
        };
        return Ok(Answer::Forwarded(Box::new(stream), headers));
    }
    let body = whole(body, silence, exchange.hold()).await?;
    lease.finish();
    exchange.answers(request_id);
    let mut seen = Seen::default();
    if body.len() <= limits::UPSTREAM_JSON {
        seen.note(&body);
    } else {
        let body = body.clone();
        let noting = spawn_blocking(move || {
            seen.note(&body);
            seen
        });
        seen = noting.await.unwrap_or_default();
    }
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

/// A provider's event stream. Dropping it closes the provider's connection, or resets its stream.
pub(super) struct Forwarded {
    body: Body,
    lease: Option<Lease>,
    events: EventReader,
    /// For what is buffered of an event.
    memory: Share,
    /// What was seen of the answer.
    seen: Seen,
    /// A long event is being looked into, on a thread that may block.
    noting: Option<JoinHandle<Seen>>,
    api: Endpoint,
    silence: Duration,
    /// When it has been silent for too long.
    deadline: Instant,
    /// Why it ends, once what came before has left.
    failed: Option<UpstreamError>,
    /// The event that ends it.
    held: Option<Bytes>,
    /// Bytes that came after that one, and were dropped.
    after_end: usize,
    /// The body has come to a proper end.
    closed: bool,
}

impl Events for Forwarded {
    async fn next(&mut self, exchange: &mut Exchange, out: &mut BytesMut) -> Option<End> {
        if let Some(error) = self.failed.take() {
            return Some(self.fail(error, exchange));
        }
        match self.read(out).await {
            Ok(false) => None,
            Ok(true) => Some(self.end(exchange)),
            Err(error) if out.is_empty() => Some(self.fail(error, exchange)),
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
        loop {
            while self.noting.is_none()
                && let Some(Framed { bytes, end }) = self.events.event()?
            {
                self.note(&bytes);
                match end {
                    Some(_) => {
                        self.deadline = Instant::now() + limits::UPSTREAM_CLOSE;
                        self.held = Some(bytes);
                    }
                    None => out.extend_from_slice(&bytes),
                }
            }
            // From here on it waits, and may be given up: what is in `out` leaves first.
            if !out.is_empty() {
                return Ok(false);
            }
            if let Some(noting) = &mut self.noting {
                self.seen = noting.await.unwrap_or_default();
                self.noting = None;
                continue;
            }
            if self.closed {
                return self.is_whole();
            }
            if self.after_end > limits::UPSTREAM_AFTER_END {
                return Ok(true);
            }
            match timeout_at(self.deadline, self.body.piece()).await {
                Ok(Some(Ok(data))) => self.take(&data)?,
                Ok(None) => {
                    self.events.close();
                    self.lease.take().into_iter().for_each(Lease::finish);
                    self.closed = true;
                }
                // It has said all that it had to say.
                _ if self.held.is_some() => return Ok(true),
                Ok(Some(Err(error))) => return Err(error),
                Err(_) => return Err(UpstreamError::Silent),
            }
        }
    }

    fn take(&mut self, data: &[u8]) -> Result<(), UpstreamError> {
        if self.held.is_some() {
            self.after_end += data.len();
            return Ok(());
        }
        self.deadline = Instant::now() + self.silence;
        self.events.push(data)?;
        self.pay()
    }

    /// Takes note of an event.
    fn note(&mut self, event: &Bytes) {
        if event.len() <= limits::UPSTREAM_JSON {
            return self.seen.note_event(event);
        }
        let (mut seen, event) = (mem::take(&mut self.seen), event.clone());
        self.noting = Some(spawn_blocking(move || {
            seen.note_event(&event);
            seen
        }));
    }

    /// The body has come to a proper end: true if the answer has, too. Clients drop an event without its blank line, and so
    /// does this node.
    fn is_whole(&self) -> Result<bool, UpstreamError> {
        let choices = matches!(self.api, Endpoint::Chat | Endpoint::Completions);
        match self.held.is_some() || (choices && self.seen.all_finished()) {
            true => Ok(true),
            false => Err(UpstreamError::Cut),
        }
    }

    /// Pays for what is buffered of an event. What every stream may need is paid for with the request.
    fn pay(&mut self) -> Result<(), UpstreamError> {
        let buffered = self.events.buffered();
        let owed = if buffered > limits::GROWTH { buffered as u64 } else { 0 };
        if self.memory.resize(owed) { Ok(()) } else { Err(UpstreamError::NoMemory) }
    }

    fn end(&mut self, exchange: &mut Exchange) -> End {
        exchange.saw(&self.seen);
        let outcome = match self.events.end() {
            Some(events::End::Error) => Outcome::UpstreamFailed,
            Some(events::End::Terminal) | None => outcome(StatusCode::OK, &self.seen),
        };
        End { outcome, terminal: self.held.take().unwrap_or_default() }
    }

    /// Says so in the shape of the API, in an event that is this node's own.
    fn fail(&mut self, error: UpstreamError, exchange: &mut Exchange) -> End {
        self.lease = None;
        exchange.saw(&self.seen);
        exchange.breaks_off();
        let body = ApiError::upstream(error).body(self.api.api());
        let name = match self.api {
            Endpoint::Chat | Endpoint::Completions => &b""[..],
            _ => b"event: error\n",
        };
        let terminal = [name, b"data: ", &body, b"\n\n"].concat().into();
        End { outcome: Outcome::UpstreamFailed, terminal }
    }
}
