//! Clients to the enclave and back: raw bytes, no knowledge of TLS. Back-pressure is the kernel's: nothing is read
//! before what was read last has been written.

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

/// Connections at once, by default. More than the enclave's own default limit: the enclave chooses which one makes room.
pub const CONNECTIONS: usize = 5120;
/// How long a connection may carry nothing in either direction, when nobody says otherwise.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// How long a client may go on sending after the server has closed, so that it can read the answer to its end.
pub const LINGER: Duration = Duration::from_secs(5);
/// Pause after the system refused a connection, for want of descriptors for example.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Budgets of a relay.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; those past it are closed as they come.
    pub connections: usize,
    /// How long the enclave may take to accept one.
    pub connect_timeout: Duration,
    /// How long one may carry nothing in either direction.
    pub idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: CONNECTIONS, connect_timeout: CONNECT_TIMEOUT, idle_timeout: IDLE_TIMEOUT }
    }
}

/// What a relay has done since it began, and does now.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections that are open.
    pub open: AtomicU64,
    /// Connections that were accepted.
    pub accepted: AtomicU64,
    /// Connections that were closed because the budget was spent.
    pub shed: AtomicU64,
    /// Connections that did not reach the enclave.
    pub unreachable: AtomicU64,
}

/// A relay that can be watched and told to take no more connections.
#[derive(Debug)]
pub struct Relay {
    counters: Arc<Counters>,
    accepting: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Relay {
    /// Relays connections of `listener` to [`Port::CLIENTS`] of `address`.
    pub fn start(listener: TcpListener, address: Address, limits: Limits) -> Self {
        let counters = Arc::new(Counters::default());
        let (accepting, stop) = watch::channel(true);
        let task = tokio::spawn(accept(listener, address, limits, Arc::clone(&counters), stop));
        Self { counters, accepting, task }
    }

    /// What it has done.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Closes the listener; what is open goes on.
    pub fn stop_accepting(&self) {
        self.accepting.send_replace(false);
    }

    /// Waits until every connection has ended; only ends after [`Relay::stop_accepting`].
    pub async fn finished(&mut self) {
        // A panic in there would have been reported by the runtime already.
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
            // Streams of tokens are many small writes; delaying them to save packets would be felt. Best effort.
            let _ = client.set_nodelay(true);
            match address.connect(Port::CLIENTS, limits.connect_timeout).await {
                // However a connection ends, there is nobody to tell but its two ends, which see it.
                Ok(enclave) => drop(join(&client, &enclave, limits.idle_timeout).await),
                Err(_) => drop(counters.unreachable.fetch_add(1, Ordering::Relaxed)),
            }
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Until no more connections should be taken.
async fn stopped(accepting: &mut watch::Receiver<bool>) {
    // An error means that whoever could have said so is gone: that stops it as well.
    let _ = accepting.wait_for(|go_on| !go_on).await;
}

/// Both directions of one connection. An end of one is passed on and leaves the other open. What the server has said
/// reaches the client even when the server has stopped listening: it answers, and closes, before it has read a request
/// that it refuses. A client that broke off ends both.
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
            // A socket that closes with unread bytes in it says so after its last byte.
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
                // Closing while the client still sends would reset the connection, and take from it what it has not read.
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

/// Counts one open connection for as long as it lives.
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
