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
use crate::upstream::{
    self, Answered, Body, CachedCounts, EventReader, Failed, Framed, Key, Lease, Route, Seen, UpstreamError,
};

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
    let secret = Some(&key).filter(|_| credential == Credential::Operator);
    let hides = secret.is_some() && route.upstream.hides_cached_tokens();
    pass_on(answered, route.upstream.silence(), endpoint, hides, secret, exchange).await.map_err(ApiError::upstream)
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

/// `hides`: counts of cached tokens are hidden. `secret`: a key that the caller must not see.
async fn pass_on(
    answered: Answered,
    silence: Duration,
    endpoint: Endpoint,
    hides: bool,
    secret: Option<&Key>,
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
        exchange.answers(request_id, hides);
        let stream = Forwarded {
            body,
            lease: Some(lease),
            events: EventReader::default(),
            memory: exchange.hold().account().take(0).ok_or(UpstreamError::NoMemory)?,
            seen: Seen::default(),
            reading: None,
            hides,
            api: endpoint,
            silence,
            arrived: Instant::now(),
            failed: None,
            held: None,
            after_end: 0,
            closed: false,
        };
        return Ok(Answer::Forwarded(Box::new(stream), headers));
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
    // For the copy without them.
    if !counts.is_empty() && !exchange.hold().grow(body.len()) {
        return Err(UpstreamError::NoMemory);
    }
    exchange.answers(request_id, hides);
    exchange.saw(&seen);
    let outcome = outcome(head.status, &seen);
    let body = shown(body, &counts, exchange);
    Ok(Answer::Whole { status: head.status, headers, body, outcome })
}

/// What the caller gets of `bytes`: 0 in place of each hidden count. What the receipt commits to has `*` there.
fn shown(bytes: Bytes, counts: &CachedCounts, exchange: &mut Exchange) -> Bytes {
    counts.replaced(&bytes, b"*").for_each(|piece| exchange.received(piece));
    match counts.is_empty() {
        true => bytes,
        false => counts.replaced(&bytes, b"0").collect::<Vec<_>>().concat().into(),
    }
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

/// An event, once it was read.
struct Read {
    event: Framed,
    /// What was seen of the answer with it.
    seen: Seen,
    /// What is hidden in it.
    counts: Result<CachedCounts, UpstreamError>,
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
    /// A long event is being read, on a thread that may block. It leaves afterwards.
    reading: Option<JoinHandle<Read>>,
    /// Counts of cached tokens are hidden.
    hides: bool,
    api: Endpoint,
    silence: Duration,
    /// When bytes of the answer came last.
    arrived: Instant,
    /// Why it ends, once what came before has left.
    failed: Option<UpstreamError>,
    /// The event that ends it, and what is hidden in it.
    held: Option<(Bytes, CachedCounts)>,
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
        match self.read(exchange, out).await {
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
    async fn read(&mut self, exchange: &mut Exchange, out: &mut BytesMut) -> Result<bool, UpstreamError> {
        loop {
            while self.reading.is_none()
                && let Some(event) = self.events.event()?
            {
                if let Some(read) = self.read_event(event) {
                    self.pass(read, exchange, out)?;
                }
            }
            // From here on it waits, and may be given up: what is in `out` leaves first.
            if !out.is_empty() {
                return Ok(false);
            }
            if let Some(reading) = &mut self.reading {
                let read = reading.await;
                self.reading = None;
                self.pass(read.map_err(|_| UpstreamError::Unreadable)?, exchange, out)?;
                continue;
            }
            if self.closed {
                return self.is_whole();
            }
            if self.after_end > limits::UPSTREAM_AFTER_END {
                return Ok(true);
            }
            match timeout_at(self.deadline(), self.body.piece()).await {
                Ok(Some(Ok(data))) => self.take(&data)?,
                Ok(None) => {
                    self.events.close();
                    self.lease.take().into_iter().for_each(Lease::finish);
                    self.closed = true;
                }
                // It has said all that it had to say.
                _ if self.held.is_some() => return Ok(true),
                _ if self.events.end_waits() => {
                    self.events.close();
                    self.closed = true;
                }
                Ok(Some(Err(error))) => return Err(error),
                Err(_) => return Err(UpstreamError::Silent),
            }
        }
    }

    /// When it has been silent for too long. After the event that ends it, only its end may come.
    fn deadline(&self) -> Instant {
        let ends = self.held.is_some() || self.events.end_waits();
        self.arrived + if ends { limits::UPSTREAM_CLOSE } else { self.silence }
    }

    fn take(&mut self, data: &[u8]) -> Result<(), UpstreamError> {
        if self.held.is_some() {
            self.after_end += data.len();
            return Ok(());
        }
        self.arrived = Instant::now();
        self.events.push(data)?;
        self.pay()
    }

    /// Reads an event: at once, or on a thread if it is long.
    fn read_event(&mut self, event: Framed) -> Option<Read> {
        let (mut seen, hides, length) = (mem::take(&mut self.seen), self.hides, event.bytes.len());
        let read = move || {
            seen.note_event(&event.bytes);
            let counts = if hides { CachedCounts::of_event(&event.bytes) } else { Ok(CachedCounts::default()) };
            Read { event, seen, counts }
        };
        if length <= limits::UPSTREAM_JSON {
            return Some(read());
        }
        self.reading = Some(spawn_blocking(read));
        None
    }

    /// Appends an event that was read, or holds the one that ends the stream.
    fn pass(&mut self, read: Read, exchange: &mut Exchange, out: &mut BytesMut) -> Result<(), UpstreamError> {
        let Read { event: Framed { bytes, end }, seen, counts } = read;
        self.seen = seen;
        match (end, counts?) {
            (Some(_), counts) => {
                self.held = Some((bytes, counts));
            }
            (None, counts) => out.extend_from_slice(&shown(bytes, &counts, exchange)),
        }
        Ok(())
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
        let (terminal, counts) = self.held.take().unwrap_or_default();
        End { outcome, terminal: shown(terminal, &counts, exchange) }
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
