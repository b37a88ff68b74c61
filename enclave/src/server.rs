//! Client connections: TLS, HTTP/1.1 and h2, each within its limits.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use quoth_engine::Caller;
use quoth_link::{Listener, Stream};
use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;

use crate::node::Node;
use crate::{api, limits, tls};

/// How long to wait when the system has no more descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves clients until `drain` becomes true; then lets running requests end and returns.
pub async fn serve(node: Arc<Node>, listener: Listener, tls: Arc<ServerConfig>, mut drain: watch::Receiver<bool>) {
    let acceptor = TlsAcceptor::from(tls);
    loop {
        let stream = tokio::select! {
            _ = drain.wait_for(|drain| *drain) => break,
            stream = listener.accept() => stream,
        };
        let Ok(stream) = stream else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Some(counted) = node.metrics.connections.enter_below(node.limits.connections as u64) else {
            continue;
        };
        let (node, acceptor, drain) = (Arc::clone(&node), acceptor.clone(), drain.clone());
        tokio::spawn(async move {
            connection(node, acceptor, stream, drain).await;
            drop(counted);
        });
    }
    drop(listener);
    while node.journal.running() > 0 {
        sleep(ACCEPT_PAUSE).await;
    }
    // The last bytes are still on their way.
    let closed = async {
        while node.metrics.connections.value() > 0 {
            sleep(ACCEPT_PAUSE).await;
        }
    };
    let _ = timeout(limits::CLOSE, closed).await;
}

async fn connection(node: Arc<Node>, acceptor: TlsAcceptor, stream: Stream, drain: watch::Receiver<bool>) {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits::WRITE_STALL));
    let Ok(Ok(stream)) = timeout(limits::HANDSHAKE, acceptor.accept(Box::pin(stream))).await else {
        return;
    };
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(tls::HTTP2);
    // Whoever holds this connection's keys, and nobody else, profits from what was computed for it.
    let caller = Caller::new();
    let service = service_fn(|request| {
        let (node, caller) = (Arc::clone(&node), caller.clone());
        async move { Ok::<_, Infallible>(api::handle(node, caller, request).await) }
    });
    let stream = TokioIo::new(stream);
    match is_http2 {
        true => until(drain, http2().serve_connection(stream, service)).await,
        false => until(drain, http1().serve_connection(stream, service)).await,
    }
}

fn http1() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEAD)
        .max_buf_size(limits::HEAD_BYTES)
        .max_headers(limits::HEADERS);
    builder
}

fn http2() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits::H2_STREAMS)
        .max_pending_accept_reset_streams(limits::H2_RESETS)
        .max_header_list_size(limits::HEAD_BYTES as u32)
        .keep_alive_interval(limits::HEAD)
        .keep_alive_timeout(limits::HEAD);
    builder
}

/// Serves a connection to its end, which comes soon once the node drains.
async fn until(mut drain: watch::Receiver<bool>, connection: impl GracefulConnection) {
    let mut connection = pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = drain.wait_for(|drain| *drain) => connection.as_mut().graceful_shutdown(),
    }
    // However it ends, its exchanges end in receipts.
    let _ = connection.await;
}
