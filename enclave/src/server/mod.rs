//! Client connections: TLS, HTTP/1.1 and h2, each within its limits.

mod connections;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use quoth_link::{Listener, Stream};
use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;

pub use connections::{Connection, Running};
use connections::{Connections, End};

use crate::api::{Outgoing, Overloaded};
use crate::node::Node;
use crate::pace::Taking;
use crate::{api, limits, tls};

/// How long to wait if the system has no more descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves clients until `drain` becomes true; then lets running requests end and returns.
pub async fn serve(node: Arc<Node>, listener: Listener, tls: Arc<ServerConfig>, mut drain: watch::Receiver<bool>) {
    let (acceptor, connections) = (TlsAcceptor::from(tls), Connections::new(node.limits.connections));
    loop {
        let stream = tokio::select! {
            _ = drain.wait_for(|drain| *drain) => break,
            stream = listener.accept() => stream,
        };
        let Ok(stream) = stream else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // While there is no room, this connection waits, and so do those behind it.
        let entry = loop {
            match connections.enter() {
                Ok(entry) => break Some(entry),
                Err(_) if *drain.borrow() => break None,
                Err(wait) => sleep(wait.min(ACCEPT_PAUSE)).await,
            }
        };
        let Some(entry) = entry else { break };
        let Some(counted) = node.metrics.connections.enter_below(u64::MAX) else { continue };
        let (node, acceptor, drain) = (Arc::clone(&node), acceptor.clone(), drain.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = connection(node, acceptor, stream, Arc::clone(&entry.0), drain) => {}
                () = entry.0.evicted() => {}
            }
            drop((entry, counted));
        });
    }
    drop(listener);
    while node.journal.running() > 0 {
        sleep(ACCEPT_PAUSE).await;
    }
    // The last bytes may still be on their way.
    let closed = async {
        while node.metrics.connections.value() > 0 {
            sleep(ACCEPT_PAUSE).await;
        }
    };
    let _ = timeout(limits::CLOSE, closed).await;
}

async fn connection(
    node: Arc<Node>,
    acceptor: TlsAcceptor,
    stream: Stream,
    connection: Arc<Connection>,
    drain: watch::Receiver<bool>,
) {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits::STALL));
    let Ok(Ok(stream)) = timeout(limits::HANDSHAKE, acceptor.accept(Box::pin(stream))).await else {
        return;
    };
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(tls::HTTP2);
    let stream = TokioIo::new(stream);
    if is_http2 {
        let streams = Streams(Arc::clone(&connection));
        let service = service(node, Arc::clone(&connection), || TAKING.with(Arc::clone));
        return until(drain, &connection, http2(streams).serve_connection(stream, service)).await;
    }
    let taking = Arc::new(Taking::default());
    connection.watch(Arc::clone(&taking), None);
    let service = service(node, Arc::clone(&connection), move || Arc::clone(&taking));
    until(drain, &connection, http1().serve_connection(stream, service)).await;
}

/// Answers requests. `taking` gives the pace of the client that reads an answer.
fn service(
    node: Arc<Node>,
    connection: Arc<Connection>,
    taking: impl Fn() -> Arc<Taking> + Clone + Send + 'static,
) -> impl HttpService<Incoming, ResBody = Outgoing, Error = Overloaded, Future: Send> {
    service_fn(move |request| {
        let (node, connection, taking) = (Arc::clone(&node), Arc::clone(&connection), taking.clone());
        async move { api::handle(node, connection, taking(), request).await }
    })
}

tokio::task_local! {
    /// The pace of the stream that a task serves.
    static TAKING: Arc<Taking>;
}

/// Runs each HTTP/2 stream as a task that its connection watches.
#[derive(Clone)]
struct Streams(Arc<Connection>);

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let taking = Arc::new(Taking::default());
        let task = tokio::spawn(TAKING.scope(Arc::clone(&taking), stream));
        self.0.watch(taking, Some(task.abort_handle()));
    }
}

fn http1() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEADER_TIMEOUT)
        .max_buf_size(limits::HEAD_BYTES)
        .max_headers(limits::HEADERS);
    builder
}

fn http2(streams: Streams) -> http2::Builder<Streams> {
    let mut builder = http2::Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits::H2_STREAMS)
        .max_pending_accept_reset_streams(limits::H2_RESETS)
        .max_header_list_size(limits::HEAD_BYTES as u32)
        .max_send_buf_size(limits::ANSWER_PIECE)
        .keep_alive_interval(limits::HEADER_TIMEOUT)
        .keep_alive_timeout(limits::HEADER_TIMEOUT);
    builder
}

/// Serves a connection to its end. It ends soon once the node drains.
async fn until(mut drain: watch::Receiver<bool>, connection: &Connection, serving: impl GracefulConnection) {
    let (mut serving, born) = (pin!(serving), Instant::now());
    let end = tokio::select! {
        _ = serving.as_mut() => return,
        _ = drain.wait_for(|drain| *drain) => End::Graceful,
        end = connection.upkeep(born) => end,
    };
    if end == End::Now {
        return;
    }
    serving.as_mut().graceful_shutdown();
    // However the connection ends, its exchanges end in receipts.
    tokio::select! {
        _ = serving => {}
        () = connection.last_upkeep() => {}
    }
}
