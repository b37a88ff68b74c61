//! Relays clients' connections to the enclave: raw bytes, no knowledge of TLS.
//!
//! The relay reads only after it has written the previous bytes, so the kernel's back-pressure applies.

mod pump;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quoth_link::{Address, CONNECT_TIMEOUT, Port};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use pump::{Activity, Broken, Socket, discard, end, pump};

/// Default of the maximum number of connections. It exceeds the enclave's default limit, because the enclave chooses which
/// connection to close.
pub const CONNECTIONS: usize = 5120;
/// Default of the time that a connection may be idle in both directions.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// How long a client may continue to send after the server has closed, so that it can read the whole answer.
pub const LINGER: Duration = Duration::from_secs(5);
/// Pause after accepting a connection failed, for example because no descriptor was free.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Limits of a relay.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Maximum number of connections at the same time. Further ones are closed at once.
    pub connections: usize,
    /// Time limit for the enclave to accept a connection.
    pub connect_timeout: Duration,
    /// Time that a connection may be idle in both directions.
    pub idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: CONNECTIONS, connect_timeout: CONNECT_TIMEOUT, idle_timeout: IDLE_TIMEOUT }
    }
}

/// Counters of a relay.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections that are open now.
    pub open: AtomicU64,
    /// Connections that were accepted.
    pub accepted: AtomicU64,
    /// Connections that were closed because too many were open.
    pub shed: AtomicU64,
    /// Connections that did not reach the enclave.
    pub unreachable: AtomicU64,
}

/// A running relay. It can be observed and stopped.
#[derive(Debug)]
pub struct Relay {
    counters: Arc<Counters>,
    accepting: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Relay {
    /// Starts to relay connections of `listener` to [`Port::CLIENTS`] of `address`.
    pub fn start(listener: TcpListener, address: Address, limits: Limits) -> Self {
        let counters = Arc::new(Counters::default());
        let (accepting, stop) = watch::channel(true);
        let task = tokio::spawn(accept(listener, address, limits, Arc::clone(&counters), stop));
        Self { counters, accepting, task }
    }

    /// Returns the relay's counters.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Closes the listener. Open connections continue.
    pub fn stop_accepting(&self) {
        self.accepting.send_replace(false);
    }

    /// Waits until every connection has ended. Returns only after [`Relay::stop_accepting`].
    pub async fn finished(&mut self) {
        // The runtime has already reported a panic of the task.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Relays connections of `listener` to [`Port::CLIENTS`] of `address` until it is dropped.
pub async fn serve(listener: TcpListener, address: Address, limits: Limits) {
    let (_go_on, stop) = watch::channel(true);
    accept(listener, address, limits, Arc::default(), stop).await;
}

async fn accept(
    listener: TcpListener,
    address: Address,
    limits: Limits,
    counters: Arc<Counters>,
    mut accepting: watch::Receiver<bool>,
) {
    let budget = Arc::new(Semaphore::new(limits.connections));
    let address = Arc::new(address);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stopped(&mut accepting) => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let Ok((client, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(permit) = Arc::clone(&budget).try_acquire_owned() else {
            counters.shed.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        counters.accepted.fetch_add(1, Ordering::Relaxed);
        let (address, counters) = (Arc::clone(&address), Arc::clone(&counters));
        connections.spawn(async move {
            let _permit = permit;
            let _open = Open::new(&counters.open);
            // Streams of tokens are many small writes, and Nagle's algorithm would delay them. Best effort.
            let _ = client.set_nodelay(true);
            match address.connect(Port::CLIENTS, limits.connect_timeout).await {
                // Both ends of a connection see how it ends, so the result is dropped.
                Ok(enclave) => drop(join(&client, &enclave, limits.idle_timeout).await),
                Err(_) => drop(counters.unreachable.fetch_add(1, Ordering::Relaxed)),
            }
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Waits until no more connections should be accepted.
async fn stopped(accepting: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone. That stops the relay, too.
    let _ = accepting.wait_for(|go_on| !go_on).await;
}

/// Relays both directions of one connection. The end of one direction is passed on; the other direction stays open. The
/// server may answer and close before it has read a whole request, for example if it refuses it; the client still gets the
/// answer. If the client breaks the connection, both directions end.
pub(crate) async fn join(client: &impl Socket, server: &impl Socket, idle: Duration) -> io::Result<()> {
    let activity = Activity::new();
    let there = async {
        match pump(client, server, &activity).await {
            Err(Broken::To(_)) => discard(client, &activity).await,
            other => other.map_err(Broken::into),
        }
    };
    let back = async {
        match pump(server, client, &activity).await {
            // A socket that closes with unread bytes reports an error after its last byte.
            Err(Broken::From(_)) => end(client),
            other => other.map_err(Broken::into),
        }
    };
    let both = async {
        tokio::pin!(there, back);
        tokio::select! {
            result = &mut there => {
                result?;
                back.await
            }
            result = &mut back => {
                result?;
                // Closing while the client still sends would reset the connection, and the client would lose unread bytes.
                tokio::time::timeout(LINGER, there).await.unwrap_or(Ok(()))
            }
        }
    };
    tokio::pin!(both);
    loop {
        tokio::select! {
            result = &mut both => return result,
            () = tokio::time::sleep_until(activity.last() + idle) => {
                if activity.last() + idle <= Instant::now() {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
        }
    }
}

/// Counts one open connection until it is dropped.
pub(crate) struct Open<'a>(&'a AtomicU64);

impl<'a> Open<'a> {
    pub(crate) fn new(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
