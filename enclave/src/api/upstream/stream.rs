//! Passes on a provider's event stream: whole events, the last one held back.

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
    /// What the answer has said so far, this event included.
    seen: Seen,
    /// What is hidden in it.
    counts: Result<CachedCounts, UpstreamError>,
}

/// A provider's event stream. Dropping it closes the provider's connection, or resets its stream.
///
/// It keeps everything that was read, so a cancelled wait loses nothing.
pub(in crate::api) struct UpstreamStream {
    body: Body,
    lease: Option<Lease>,
    events: EventReader,
    /// Pays for the buffered part of an event.
    memory: Share,
    /// What the answer has said so far.
    seen: Seen,
    /// A long event that is being read on a blocking thread. It leaves afterwards.
    reading: Option<JoinHandle<Read>>,
    /// Counts of cached tokens are hidden.
    hides: bool,
    api: Endpoint,
    silence: Duration,
    /// When bytes of the answer arrived last.
    arrived: Instant,
    /// Events that leave with the next piece.
    passed: BytesMut,
    /// The same as they came, if counts are hidden.
    received: Vec<Received>,
    /// Why the stream fails, once the events before have left.
    failed: Option<UpstreamError>,
    /// The event that ends the stream, and what is hidden in it.
    held: Option<(Bytes, CachedCounts)>,
    /// Bytes after that event, which were dropped.
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

    /// Reads until whole events have passed; true at the end of the stream. Safe to cancel.
    async fn read(&mut self) -> Result<bool, UpstreamError> {
        loop {
            while self.reading.is_none()
                && let Some(event) = self.events.event()?
            {
                if let Some(read) = self.read_event(event) {
                    self.pass(read)?;
                }
            }
            // From here on it waits, so events that have passed leave first.
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
                // The answer is complete.
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

    /// Passes an event that was read, or holds the one that ends the stream.
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

    /// Returns the caller's version of `bytes`, and keeps the original for the exchange.
    fn show(&mut self, bytes: Bytes, counts: CachedCounts) -> Bytes {
        let received = Received::new(bytes, counts);
        let shown = received.shown();
        if self.hides {
            self.received.push(received);
        }
        shown
    }

    /// The body has ended properly: true if the answer is complete, too. Clients drop an event without its blank line,
    /// and so does this node.
    fn is_whole(&self) -> Result<bool, UpstreamError> {
        let choices = matches!(self.api, Endpoint::Chat | Endpoint::Completions);
        match self.held.is_some() || (choices && self.seen.all_finished()) {
            true => Ok(true),
            false => Err(UpstreamError::Cut),
        }
    }

    /// Pays for the buffered part of an event. The request has already paid for what every stream may need.
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

    /// Ends with this node's own error event, in the API's shape.
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
