//! Connections to one provider, kept for the next request: one request at a time over HTTP/1.1, many over HTTP/2.

use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Response};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use quoth_link::Address;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

use super::breaker::Breaker;
use super::connect::{Connection, Connector, Peer};
use super::http2::{Io, Place, Shared, is_unprocessed};
use super::{Body, UpstreamError, UpstreamRequest};
use crate::config::Upstream;
use crate::{EnclaveError, limits};

/// The connections to one provider.
pub(super) struct Pool {
    connector: Connector,
    idle: Arc<Mutex<Vec<Idle>>>,
    shared: Mutex<Vec<(Shared, Arc<Peer>)>>,
    /// Connections are made a few at a time, so that a burst shares the first ones.
    turns: Semaphore,
    /// Adds turns once the provider is known to speak HTTP/1.1.
    http1: Once,
    breaker: Breaker,
}

struct Idle {
    sender: http1::SendRequest<Full<Bytes>>,
    peer: Arc<Peer>,
    since: Instant,
}

/// The head of an answer, and what its body comes over.
pub struct Answered {
    /// The answer.
    pub response: Response<Body>,
    /// Who gave it.
    pub peer: Arc<Peer>,
    /// Keeps the connection busy. Give it back with [`Lease::finish`] once the body was read whole.
    pub lease: Lease,
}

/// No answer.
pub struct Failed {
    /// Why.
    pub error: UpstreamError,
    /// Who authenticated before it failed.
    pub peer: Option<Arc<Peer>>,
}

/// A connection in use. If it is dropped unfinished, an HTTP/1.1 connection is closed, because the rest of its answer
/// is on the way.
pub struct Lease(Held);

enum Held {
    Alone { idle: Idle, pool: Arc<Mutex<Vec<Idle>>> },
    Shared { place: Place, peer: Arc<Peer> },
}

impl Pool {
    pub(super) fn new(upstream: &Upstream, link: &Address) -> Result<Self, EnclaveError> {
        Ok(Self {
            connector: Connector::new(upstream, link)?,
            idle: Arc::default(),
            shared: Mutex::default(),
            turns: Semaphore::new(limits::CONNECTING),
            http1: Once::new(),
            breaker: Breaker::default(),
        })
    }

    /// Sends a request and waits for the head of its answer: [`limits::UPSTREAM_CONNECT`] for a connection, then
    /// `silence`. It is sent again only if nothing of it had left, or if the provider says that it did nothing.
    pub(super) async fn send(&self, request: &UpstreamRequest, silence: Duration) -> Result<Answered, Failed> {
        self.send_over(request, silence, || self.connector.connect()).await
    }

    /// The same, over connections that `connect` makes.
    async fn send_over<S: Io, C>(
        &self,
        request: &UpstreamRequest,
        silence: Duration,
        connect: impl Fn() -> C,
    ) -> Result<Answered, Failed>
    where
        C: Future<Output = Result<Connection<S>, UpstreamError>>,
    {
        let (mut connecting, mut silence) = (limits::UPSTREAM_CONNECT, silence);
        let mut resends = limits::RESENDS;
        loop {
            let begun = Instant::now();
            let lease = self.lease(begun + connecting, &connect).await;
            let mut lease = lease.map_err(|error| Failed { error, peer: None })?;
            connecting = connecting.saturating_sub(begun.elapsed());
            let peer = lease.0.peer();
            let failed = |error| Failed { error, peer: Some(Arc::clone(&peer)) };
            let begun = Instant::now();
            let sent = timeout(silence, lease.0.send(request)).await.map_err(|_| failed(UpstreamError::Silent))?;
            silence = silence.saturating_sub(begun.elapsed());
            match sent {
                Ok(response) => return Ok(Answered { response, peer, lease }),
                Err(Unanswered::Unprocessed) if resends > 0 => resends -= 1,
                Err(Unanswered::Unprocessed) => return Err(failed(UpstreamError::Closed)),
                Err(Unanswered::Perhaps(error)) => return Err(failed(error)),
            }
        }
    }

    /// A connection that can carry a request now, before `until`.
    async fn lease<S: Io, C>(&self, until: Instant, connect: impl Fn() -> C) -> Result<Lease, UpstreamError>
    where
        C: Future<Output = Result<Connection<S>, UpstreamError>>,
    {
        if let Some(lease) = self.waiting() {
            return Ok(lease);
        }
        // The semaphore is never closed.
        let _turn = timeout_at(until, self.turns.acquire()).await.map_err(|_| UpstreamError::Silent)?;
        if let Some(lease) = self.waiting() {
            return Ok(lease);
        }
        let attempt = self.breaker.admit()?;
        let begun = Instant::now();
        let opened = timeout_at(until, self.open(connect())).await;
        // An attempt that began late says nothing about the provider.
        if opened.is_ok() || begun.elapsed() >= limits::UPSTREAM_CONNECT / 2 {
            attempt.note(opened.as_ref().unwrap_or(&Err(UpstreamError::Silent)));
        }
        opened.unwrap_or(Err(UpstreamError::Silent))
    }

    /// Makes a connection.
    async fn open<S: Io>(
        &self,
        connection: impl Future<Output = Result<Connection<S>, UpstreamError>>,
    ) -> Result<Lease, UpstreamError> {
        let Connection { stream, peer, h2 } = connection.await?;
        if h2 {
            let shared = Shared::new(stream).await?;
            let place = shared.place().ok_or(UpstreamError::Closed)?;
            lock(&self.shared).push((shared, Arc::clone(&peer)));
            return Ok(Lease(Held::Shared { place, peer }));
        }
        self.http1.call_once(|| self.turns.add_permits(limits::CONNECTING_HTTP1));
        let mut builder = http1::Builder::new();
        builder.max_buf_size(limits::UPSTREAM_HEAD_BYTES).max_headers(limits::UPSTREAM_HEADERS);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|_| UpstreamError::Closed)?;
        tokio::spawn(connection);
        Ok(self.alone(Idle { sender, peer, since: Instant::now() }))
    }

    /// Returns an open connection: the one that was used last, or one with room.
    fn waiting(&self) -> Option<Lease> {
        let mut shared = lock(&self.shared);
        shared.retain_mut(|(shared, _)| shared.is_open());
        if let Some((place, peer)) = shared.iter().find_map(|(shared, peer)| Some((shared.place()?, peer))) {
            return Some(Lease(Held::Shared { place, peer: Arc::clone(peer) }));
        }
        drop(shared);
        let (mut idle, now) = (lock(&self.idle), Instant::now());
        idle.retain(|idle| now.duration_since(idle.since) < limits::UPSTREAM_IDLE && !idle.sender.is_closed());
        let last = idle.iter().rposition(|idle| idle.sender.is_ready())?;
        let idle = idle.remove(last);
        Some(self.alone(idle))
    }

    fn alone(&self, idle: Idle) -> Lease {
        Lease(Held::Alone { idle, pool: Arc::clone(&self.idle) })
    }
}

/// Why a request got no answer.
enum Unanswered {
    /// Nothing of it has left, or the provider says that it did nothing.
    Unprocessed,
    /// It may have been processed.
    Perhaps(UpstreamError),
}

impl Held {
    fn peer(&self) -> Arc<Peer> {
        Arc::clone(match self {
            Self::Alone { idle, .. } => &idle.peer,
            Self::Shared { peer, .. } => peer,
        })
    }

    async fn send(&mut self, request: &UpstreamRequest) -> Result<Response<Body>, Unanswered> {
        match self {
            Self::Alone { idle, .. } => match idle.sender.try_send_request(request.http1()).await {
                Ok(response) if is_framed_plainly(response.headers()) => Ok(response.map(Body::Http1)),
                Ok(_) => Err(Unanswered::Perhaps(UpstreamError::Encoded)),
                Err(error) if error.message().is_some() => Err(Unanswered::Unprocessed),
                Err(error) if error.error().is_parse() => Err(Unanswered::Perhaps(UpstreamError::Head)),
                Err(_) => Err(Unanswered::Perhaps(UpstreamError::Closed)),
            },
            Self::Shared { place, .. } => {
                let sent = place.send(request.http2(), request.body().clone());
                match sent.ok_or(Unanswered::Unprocessed)?.await {
                    Ok(response) => Ok(response.map(Body::Http2)),
                    Err(error) if is_unprocessed(&error) => Err(Unanswered::Unprocessed),
                    Err(_) => Err(Unanswered::Perhaps(UpstreamError::Closed)),
                }
            }
        }
    }
}

/// Whether an answer over HTTP/1.1 says in exactly one way where its body ends: by a length, by `chunked` as the only
/// transfer-coding, or by neither (RFC 9112 §6.3).
fn is_framed_plainly(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding == "chunked" && !headers.contains_key(CONTENT_LENGTH),
        (Some(_), Some(_)) => false,
    }
}

impl Lease {
    /// Gives the connection back: the body was read whole.
    pub fn finish(self) {
        if let Held::Alone { mut idle, pool } = self.0 {
            idle.since = Instant::now();
            let mut pool = lock(&pool);
            if pool.len() < limits::UPSTREAM_CONNECTIONS {
                pool.push(idle);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
