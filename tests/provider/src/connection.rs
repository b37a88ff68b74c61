//! One connection: TLS, then hyper, unless an answer seizes the wire.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::ProtocolVersion;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::server::TlsStream;

use crate::provider::Shared;
use crate::wire::Wire;
use crate::{Behaviour, Options, raw, service};

/// What hyper may hold back for one client that does not read: with a thousand of them, tens of megabytes.
const BUFFER: usize = 32 * 1024;

/// What is known of a connection before its first request.
pub(crate) struct Session {
    pub(crate) number: u64,
    pub(crate) tls: ProtocolVersion,
    pub(crate) alpn: Option<String>,
    pub(crate) server_name: Option<String>,
    requests: AtomicU32,
    seize: mpsc::UnboundedSender<Seizure>,
}

/// What an answer does with the wire once it took it from hyper.
pub(crate) enum Seizure {
    /// Ends the connection.
    Close { close_notify: bool },
    /// Writes these bytes as they are, then ends the connection as one should.
    Write(raw::Chunks),
}

impl Session {
    fn new(stream: &TlsStream<TcpStream>, number: u64, seize: mpsc::UnboundedSender<Seizure>) -> Self {
        let tls = stream.get_ref().1;
        Self {
            number,
            tls: tls.protocol_version().unwrap(),
            alpn: tls.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()),
            server_name: tls.server_name().map(ToOwned::to_owned),
            requests: AtomicU32::new(0),
            seize,
        }
    }

    /// The number of the request that arrives now, from 0.
    pub(crate) fn request(&self) -> u32 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes the wire; nothing that comes after is heard.
    pub(crate) async fn seize(&self, seizure: Seizure) -> ! {
        let _ = self.seize.send(seizure);
        std::future::pending().await
    }
}

pub(crate) async fn serve(shared: Arc<Shared>, tcp: TcpStream, number: u64) {
    let behaviour = shared.behaviour();
    if behaviour == Behaviour::CloseAtAccept {
        return;
    }
    let _ = tcp.set_nodelay(true);
    let Ok(stream) = shared.tls.acceptor(&behaviour).accept(tcp).await else { return };
    let (seize, mut seized) = mpsc::unbounded_channel();
    let session = Arc::new(Session::new(&stream, number, seize));
    let wire = Wire::new(stream);

    let seizure = {
        let service = service_fn(|request| {
            // Counted here, in order of arrival: what serve does may be done in any.
            let ordinal = session.request();
            service::serve(shared.clone(), session.clone(), ordinal, request)
        });
        let builder = builder(&shared.options);
        let connection = builder.serve_connection(TokioIo::new(wire.clone()), service);
        // In this order: what was answered before the seizure leaves first.
        tokio::select! {
            biased;
            _ = connection => return,
            Some(seizure) = seized.recv() => seizure,
        }
    };
    seizure.perform(wire).await;
}

impl Seizure {
    async fn perform(self, mut wire: Wire) {
        match self {
            Self::Close { close_notify: false } => return wire.hang_up().await,
            Self::Close { close_notify: true } => {}
            Self::Write(chunks) => {
                for chunk in chunks {
                    if wire.write_all(&chunk).await.is_err() {
                        return;
                    }
                }
            }
        }
        let _ = wire.shutdown().await;
    }
}

fn builder(options: &Options) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).max_buf_size(BUFFER);
    builder.http2().max_concurrent_streams(options.streams_per_connection).max_send_buf_size(BUFFER);
    builder
}
