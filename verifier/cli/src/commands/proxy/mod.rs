//! `proxy`: a local endpoint that speaks plain HTTP to SDKs, and passes requests only to a verified node.

mod body;
mod failure;
mod folder;
mod headers;
mod limits;
mod log;
mod pass;
mod pool;
mod service;
mod stream;

use std::pin::pin;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;

use crate::args;
use crate::error::CliError;
use crate::files;
use folder::Folder;
use log::Log;
use pool::Pool;
use service::Proxy;

/// Verifies the node, then serves SDKs until Ctrl-C.
pub(crate) async fn run(args: args::Proxy) -> Result<(), CliError> {
    let policy = files::policy(args.policy.as_ref())?;
    let folder = args.transcripts.as_deref().map(Folder::new).transpose()?;
    let failed = |source| CliError::Listen { address: args.listen, source };
    let listener = TcpListener::bind(args.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let log = Log { json: args.json };

    let (pool, node) = Pool::open(policy, args.node.clone()).await?;
    log.listening(address, &args.node, &node, args.policy.as_deref());

    let (details, opening, local_only) = (args.details, args.opening, address.ip().is_loopback());
    serve(Arc::new(Proxy { pool, folder, details, opening, local_only, log }), listener).await;
    Ok(())
}

/// Accepts connections until Ctrl-C, then lets running answers end.
async fn serve(proxy: Arc<Proxy>, listener: TcpListener) {
    let room = Arc::new(Semaphore::new(limits::SDK_CONNECTIONS));
    let (stop, stopping) = watch::channel(false);
    let mut interrupted = pin!(interrupted());
    loop {
        let accept = async {
            let permit = Arc::clone(&room).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            () = interrupted.as_mut() => break,
            accepted = accept => accepted,
        };
        let (Ok(permit), Ok((stream, _))) = (permit, accepted) else {
            sleep(limits::ACCEPT_PAUSE).await;
            continue;
        };
        let (proxy, stopping) = (Arc::clone(&proxy), stopping.clone());
        tokio::spawn(async move {
            connection(proxy, stream, stopping).await;
            drop(permit);
        });
    }
    drop(listener);
    proxy.log.stopping();
    _ = stop.send(true);
    // All permits are available once the last connection has ended.
    let ended = timeout(limits::DRAIN, room.acquire_many(limits::SDK_CONNECTIONS as u32));
    tokio::select! {
        _ = ended => {}
        () = self::interrupted() => {}
    }
}

async fn connection(proxy: Arc<Proxy>, stream: TcpStream, mut stopping: watch::Receiver<bool>) {
    // Send each event at once.
    _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits::WRITE_STALL));
    let service = service_fn(|request| pass::handle(Arc::clone(&proxy), request));
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits::HEAD)
            .max_buf_size(limits::HEAD_BYTES)
            .max_headers(limits::HEADERS)
            .serve_connection(TokioIo::new(Box::pin(stream)), service)
    );
    tokio::select! {
        // An error means that a stream broke off, or that the SDK disconnected.
        _ = connection.as_mut() => return,
        _ = stopping.wait_for(|stopping| *stopping) => connection.as_mut().graceful_shutdown(),
    }
    _ = connection.await;
}

/// Ctrl-C, or the signal of service managers.
async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    _ = tokio::signal::ctrl_c().await;
}
