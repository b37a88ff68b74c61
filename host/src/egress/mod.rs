//! Connects the enclave to closed providers: resolves names, opens connections and passes bytes on.
//!
//! TLS ends in the enclave. The host connects only to destinations of the measured configuration. The enclave has the same
//! list and authenticates the provider.

mod reach;

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quoth_link::egress::{self, Answer, Destination};
use quoth_link::{LinkError, Listener, Stream};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::relay::{ACCEPT_PAUSE, Open, join};
use reach::Reach;

/// Default of the maximum number of connections. Further ones are answered [`Answer::Unreachable`].
pub const CONNECTIONS: usize = 1024;
/// Maximum number of refused connections that are being answered. Further ones are closed at once.
pub const TURNED_AWAY: usize = 64;
/// Default of the time in which the enclave must name its destination.
pub const ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// Default of the time that a connection may be idle in both directions. It exceeds the hour that an enclave can be
/// configured to wait for a provider.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(65 * 60);

/// Limits of egress.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Maximum number of connections at the same time.
    pub connections: usize,
    /// Time in which the enclave must name its destination.
    pub ask_timeout: Duration,
    /// Time that a connection may be idle in both directions.
    pub idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: CONNECTIONS, ask_timeout: ASK_TIMEOUT, idle_timeout: IDLE_TIMEOUT }
    }
}

/// Counters of egress.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections to providers that are open now.
    pub open: AtomicU64,
    /// Connections that reached a provider.
    pub led: AtomicU64,
    /// Requests for destinations that are not on the list.
    pub refused: AtomicU64,
    /// Requests for names without an address.
    pub unresolved: AtomicU64,
    /// Requests for providers that could not be reached.
    pub unreachable: AtomicU64,
    /// Connections that were refused because too many were open.
    pub shed: AtomicU64,
}

impl Counters {
    fn count(&self, answer: Answer) {
        let counter = match answer {
            Answer::Ok => &self.led,
            Answer::Refused => &self.refused,
            Answer::Unresolved => &self.unresolved,
            Answer::Unreachable => &self.unreachable,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Connects streams of `listener` to destinations of `allowed`, for as long as it is polled.
pub async fn serve(
    listener: Listener,
    allowed: impl IntoIterator<Item = Destination>,
    limits: Limits,
    counters: Arc<Counters>,
) {
    let guide = Arc::new(Guide { allowed: allowed.into_iter().collect(), reach: Reach::default(), limits, counters });
    let budget = Arc::new(Semaphore::new(limits.connections));
    let turned_away = Arc::new(Semaphore::new(TURNED_AWAY));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let Ok(enclave) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let guide = Arc::clone(&guide);
        // Both ends of a connection see how it ends, so the result is dropped.
        if let Ok(permit) = Arc::clone(&budget).try_acquire_owned() {
            connections.spawn(async move { drop(guide.lead(enclave, permit).await) });
            continue;
        }
        guide.counters.shed.fetch_add(1, Ordering::Relaxed);
        if let Ok(permit) = Arc::clone(&turned_away).try_acquire_owned() {
            connections.spawn(async move { drop(guide.turn_away(enclave, permit).await) });
        }
    }
}

/// The state that all connections share.
struct Guide {
    allowed: HashSet<Destination>,
    reach: Reach,
    limits: Limits,
    counters: Arc<Counters>,
}

impl Guide {
    async fn lead(&self, mut enclave: Stream, _permit: OwnedSemaphorePermit) -> Result<(), LinkError> {
        let destination = self.asked(&mut enclave).await?;
        let reached = match self.allowed.contains(&destination) {
            true => self.reach.connect(&destination).await,
            false => Err(Answer::Refused),
        };
        let answer = reached.as_ref().err().copied().unwrap_or(Answer::Ok);
        self.counters.count(answer);
        egress::answer(&mut enclave, answer).await?;
        match reached {
            Ok(provider) => Ok(self.carry(&enclave, &provider).await?),
            Err(_) => Ok(()),
        }
    }

    async fn carry(&self, enclave: &Stream, provider: &TcpStream) -> io::Result<()> {
        let _open = Open::new(&self.counters.open);
        join(enclave, provider, self.limits.idle_timeout).await
    }

    /// Reads the request, then refuses. If the stream closed while the enclave still wrote, it would not see the answer.
    async fn turn_away(&self, mut enclave: Stream, _permit: OwnedSemaphorePermit) -> Result<(), LinkError> {
        self.asked(&mut enclave).await?;
        egress::answer(&mut enclave, Answer::Unreachable).await
    }

    async fn asked(&self, enclave: &mut Stream) -> Result<Destination, LinkError> {
        let asked = timeout(self.limits.ask_timeout, Destination::read(enclave)).await;
        asked.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
    }
}
