//! What is known of a connection before its first request, and how an answer takes the wire from hyper.

use std::sync::atomic::{AtomicU32, Ordering};

use rustls::ProtocolVersion;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::server::TlsStream;

use crate::raw::Chunks;
use crate::wire::Wire;

/// The properties of a connection.
pub(crate) struct Session {
    pub(crate) number: u64,
    pub(crate) tls: ProtocolVersion,
    pub(crate) alpn: Option<String>,
    pub(crate) server_name: Option<String>,
    requests: AtomicU32,
    seize: mpsc::UnboundedSender<Seizure>,
}

/// What an answer does with the wire after it has taken it from hyper.
pub(crate) enum Seizure {
    /// Ends the connection.
    Close { close_notify: bool },
    /// Writes these bytes unchanged, then ends the connection properly.
    Write(Chunks),
}

impl Session {
    pub(crate) fn new(stream: &TlsStream<TcpStream>, number: u64, seize: mpsc::UnboundedSender<Seizure>) -> Self {
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

    /// Returns the number of the request that arrives now, from 0.
    pub(crate) fn request(&self) -> u32 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes the wire. Later requests are not read.
    pub(crate) async fn seize(&self, seizure: Seizure) -> ! {
        let _ = self.seize.send(seizure);
        std::future::pending().await
    }
}

impl Seizure {
    pub(crate) async fn perform(self, mut wire: Wire) {
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
