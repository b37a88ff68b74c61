//! A provider's event stream as it passes: whole events, and the last one apart.

use std::mem;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use quoth_attestation::events;
use quoth_attestation::receipt::Outcome;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout_at};

use crate::api::endpoint::Endpoint;
use crate::api::error::ApiError;
use crate::exchange::{End, Noted, Piece, Pieces};
use crate::limits;
use crate::shares::Share;
use crate::upstream::{Body, CachedCounts, EventReader, Framed, Lease, Received, Seen, UpstreamError};

/// An event, once it was read.
struct Read {
    event: Framed,
    /// What was seen of the answer with it.
    seen: Seen,
    /// What is hidden in it.
    counts: Result<CachedCounts, UpstreamError>,
}

/// A provider's event stream. Dropping it closes the provider's connection, or resets its stream.
///
/// Everything that was read is kept in here, so nothing is lost when a wait is given up.
pub(in crate::api) struct UpstreamStream {
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
    /// Events that leave with the next piece.
    passed: BytesMut,
    /// The same as they came, if counts are hidden.
    received: Vec<Received>,
    /// Why it ends, once what came before has left.
    failed: Option<UpstreamError>,
    /// The event that ends it, and what is hidden in it.
    held: Option<(Bytes, CachedCounts)>,
    /// Bytes that came after that one, and were dropped.
    after_end: usize,
    /// The body has come to a proper end.
    closed: bool,
}

impl Pieces for UpstreamStream {
    async fn next(&mut self) -> Piece {
        if let Some(error) = self.failed.take() {
            return self.fail(error);
        }
        match self.read().await {
            Ok(false) => self.piece(None),
            Ok(true) => self.end(),
            Err(error) if self.passed.is_empty() => self.fail(error),
            Err(error) => {
                self.failed = Some(error);
                self.piece(None)
            }
        }
    }
}

impl UpstreamStream {
    /// A stream that comes as `body`. `memory` pays for what is buffered of an event; `hides`: counts of cached tokens are
    /// hidden; `silence`: how long the provider may be silent.
    pub(super) fn new(
        (body, lease): (Body, Lease),
        memory: Share,
        api: Endpoint,
        hides: bool,
        silence: Duration,
    ) -> Self {
        Self {
            body,
            lease: Some(lease),
            events: EventReader::default(),
            memory,
            seen: Seen::default(),
            reading: None,
            hides,
            api,
            silence,
            arrived: Instant::now(),
            passed: BytesMut::new(),
            received: Vec::new(),
            failed: None,
            held: None,
            after_end: 0,
            closed: false,
        }
    }

    /// Reads until whole events have passed; true at the end of the stream. Nothing is lost when its wait is given up.
    async fn read(&mut self) -> Result<bool, UpstreamError> {
        loop {
            while self.reading.is_none()
                && let Some(event) = self.events.event()?
            {
                if let Some(read) = self.read_event(event) {
                    self.pass(read)?;
                }
            }
            // From here on it waits: what has passed leaves first.
            if !self.passed.is_empty() {
                return Ok(false);
            }
            if let Some(reading) = &mut self.reading {
                let read = reading.await;
                self.reading = None;
                self.pass(read.map_err(|_| UpstreamError::Unreadable)?)?;
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

    /// Lets an event that was read pass, or holds the one that ends the stream.
    fn pass(&mut self, read: Read) -> Result<(), UpstreamError> {
        let Read { event: Framed { bytes, end }, seen, counts } = read;
        self.seen = seen;
        match (end, counts?) {
            (Some(_), counts) => {
                self.held = Some((bytes, counts));
            }
            (None, counts) => {
                let shown = self.show(bytes, counts);
                self.passed.extend_from_slice(&shown);
            }
        }
        Ok(())
    }

    /// What the caller gets of `bytes`. The exchange notes what came.
    fn show(&mut self, bytes: Bytes, counts: CachedCounts) -> Bytes {
        let received = Received::new(bytes, counts);
        let shown = received.shown();
        if self.hides {
            self.received.push(received);
        }
        shown
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

    /// What has passed since the last piece.
    fn piece(&mut self, end: Option<End>) -> Piece {
        let seen = end.is_some().then(|| mem::take(&mut self.seen));
        let noted = Noted::Upstream { received: mem::take(&mut self.received), seen };
        Piece { bytes: mem::take(&mut self.passed).freeze(), noted, end }
    }

    fn end(&mut self) -> Piece {
        let outcome = match self.events.end() {
            Some(events::End::Error) => Outcome::UpstreamFailed,
            Some(events::End::Terminal) | None => self.seen.outcome(StatusCode::OK),
        };
        let (terminal, counts) = self.held.take().unwrap_or_default();
        let terminal = self.show(terminal, counts);
        self.piece(Some(End { outcome, terminal, broke_off: false }))
    }

    /// Says so in the shape of the API, in an event that is this node's own.
    fn fail(&mut self, error: UpstreamError) -> Piece {
        self.lease = None;
        let body = ApiError::upstream(error).body(self.api.api());
        let name = match self.api {
            Endpoint::Chat | Endpoint::Completions => &b""[..],
            _ => b"event: error\n",
        };
        let terminal = [name, b"data: ", &body, b"\n\n"].concat().into();
        self.piece(Some(End { outcome: Outcome::UpstreamFailed, terminal, broke_off: true }))
    }
}
