//! Connections to one provider, kept for the next request: one request at a time over HTTP/1.1, many over HTTP/2.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use quoth_link::Address;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::connect::{Connection, Connector, Peer};
use super::http2::{Place, Shared};
use super::{Body, Forward, UpstreamError};
use crate::config::Upstream;
use crate::{EnclaveError, limits};

/// The connections to one provider.
pub(super) struct Pool {
    connector: Connector,
    idle: Arc<Mutex<Vec<Idle>>>,
    shared: Mutex<Vec<(Shared, Arc<Peer>)>>,
    /// Connections are made a few at a time, so that a burst finds those that the first ones made.
    connecting: Semaphore,
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
    /// Keeps the connection busy; give it back with [`Lease::finish`] once the body was read whole.
    pub lease: Lease,
}

/// No answer.
pub struct Failed {
    /// Why.
    pub error: UpstreamError,
    /// Who authenticated before it failed.
    pub peer: Option<Arc<Peer>>,
}

/// A connection in use. Dropped unfinished, one of HTTP/1.1 is closed, for its answer is still on the way.
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
            connecting: Semaphore::new(limits::CONNECTING),
        })
    }

    /// Sends a request and waits for the head of its answer. It is sent again over another connection only when nothing
    /// of it had left.
    pub(super) async fn send(&self, forward: &Forward, silence: Duration) -> Result<Answered, Failed> {
        let mut tries = limits::STALE_CONNECTIONS;
        loop {
            let mut lease = self.lease().await.map_err(|error| Failed { error, peer: None })?;
            let peer = lease.0.peer();
            let failed = |error| Failed { error, peer: Some(Arc::clone(&peer)) };
            let sent = timeout(silence, lease.0.send(forward)).await.map_err(|_| failed(UpstreamError::Silent))?;
            match sent {
                Ok(response) => return Ok(Answered { response, peer, lease }),
                Err(Unsent::Nothing) if tries > 0 => tries -= 1,
                Err(Unsent::Nothing) => return Err(failed(UpstreamError::Closed)),
                Err(Unsent::Perhaps(error)) => return Err(failed(error)),
            }
        }
    }

    /// A connection that can carry a request now.
    async fn lease(&self) -> Result<Lease, UpstreamError> {
        if let Some(lease) = self.waiting() {
            return Ok(lease);
        }
        // A semaphore that is never closed.
        let _turn = self.connecting.acquire().await;
        if let Some(lease) = self.waiting() {
            return Ok(lease);
        }
        let Connection { stream, peer, h2 } = self.connector.connect().await?;
        if h2 {
            let shared = Shared::new(stream).await?;
            let place = shared.place().ok_or(UpstreamError::Closed)?;
            lock(&self.shared).push((shared, Arc::clone(&peer)));
            return Ok(Lease(Held::Shared { place, peer }));
        }
        let mut builder = http1::Builder::new();
        builder.max_buf_size(limits::UPSTREAM_HEAD_BYTES).max_headers(limits::UPSTREAM_HEADERS);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|_| UpstreamError::Closed)?;
        tokio::spawn(connection);
        Ok(self.alone(Idle { sender, peer, since: Instant::now() }))
    }

    /// One of the connections that are open: the one that was used last, or one with room.
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

/// A request that got no answer.
enum Unsent {
    /// Nothing of it has left.
    Nothing,
    /// Some of it may have left.
    Perhaps(UpstreamError),
}

impl Held {
    fn peer(&self) -> Arc<Peer> {
        Arc::clone(match self {
            Self::Alone { idle, .. } => &idle.peer,
            Self::Shared { peer, .. } => peer,
        })
    }

    async fn send(&mut self, forward: &Forward) -> Result<Response<Body>, Unsent> {
        match self {
            Self::Alone { idle, .. } => match idle.sender.try_send_request(forward.http1()).await {
                Ok(response) => Ok(response.map(Body::Http1)),
                Err(error) if error.message().is_some() => Err(Unsent::Nothing),
                Err(error) if error.error().is_parse() => Err(Unsent::Perhaps(UpstreamError::Head)),
                Err(_) => Err(Unsent::Perhaps(UpstreamError::Closed)),
            },
            Self::Shared { place, .. } => {
                let answer = place.send(forward.http2(), forward.body().clone()).ok_or(Unsent::Nothing)?;
                let response = answer.await.map_err(|_| Unsent::Perhaps(UpstreamError::Closed))?;
                Ok(response.map(Body::Http2))
            }
        }
    }
}

impl Lease {
    /// The body was read whole: whoever comes next may have the connection.
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
