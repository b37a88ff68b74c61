//! A key distribution service that answers or misbehaves as a test says.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use quoth_host::endorsements::{Limits, Service};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::vectors::{Machine, chain, crl};

/// The answer on a connection.
pub(crate) enum Reply {
    /// Bytes, then the end of the connection.
    Bytes(Vec<u8>),
    /// Bytes, one at a time.
    Drip(Vec<u8>, Duration),
    /// Bytes, then zeros until the client stops reading.
    Endless(Vec<u8>),
    /// Bytes, then nothing.
    Silent(Vec<u8>),
}

/// Returns the requested document, from the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Vcek,
    Chain,
    Crl,
}

/// A running service.
pub(crate) struct Kds {
    pub(crate) base: String,
    heads: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Kds {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Kds {
    /// Starts a service. `script` gets the requested document and the number of earlier requests for it.
    pub(crate) async fn start(script: impl Fn(Asked, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(script, None).await
    }

    pub(crate) async fn listen(
        script: impl Fn(Asked, usize) -> Reply + Send + Sync + 'static,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https://localhost" } else { "http://127.0.0.1" };
        let base = format!("{scheme}:{}", listener.local_addr().unwrap().port());
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let (script, log) = (Arc::new(script), Arc::clone(&heads));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (script, log, tls) = (Arc::clone(&script), Arc::clone(&log), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => {
                            let Ok(stream) = tls.accept(stream).await else { return };
                            serve(stream, &*script, &log).await;
                        }
                        None => serve(stream, &*script, &log).await,
                    }
                });
            }
        });
        Self { base, heads, task }
    }

    /// Starts a service that answers correctly.
    pub(crate) async fn good(machine: &Machine) -> Self {
        let machine = machine.clone();
        Self::start(move |asked, _| good(&machine, asked)).await
    }

    /// Starts a service that answers correctly except where `script` has an answer.
    pub(crate) async fn with(
        machine: &Machine,
        script: impl Fn(Asked, usize) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let machine = machine.clone();
        Self::start(move |asked, before| script(asked, before).unwrap_or_else(|| good(&machine, asked))).await
    }

    pub(crate) fn service(&self) -> Service {
        Service::new(&self.base).unwrap().with_limits(limits())
    }

    /// Returns path and query of every request so far.
    pub(crate) fn targets(&self) -> Vec<String> {
        let target = |head: &String| head.split(' ').nth(1).unwrap().to_owned();
        self.heads.lock().unwrap().iter().map(target).collect()
    }

    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// Returns the numbers of requests: for VCEK, chain and revocation list.
    pub(crate) fn counts(&self) -> [usize; 3] {
        let kinds: Vec<_> = self.targets().iter().map(|target| asked(target)).collect();
        [Asked::Vcek, Asked::Chain, Asked::Crl].map(|one| kinds.iter().filter(|kind| **kind == one).count())
    }
}

/// Limits with pauses of milliseconds.
pub(crate) fn limits() -> Limits {
    Limits {
        attempts: 4,
        first_pause: Duration::from_millis(4),
        longest_pause: Duration::from_millis(1500),
        ..Limits::default()
    }
}

/// Limits with very short times.
pub(crate) fn hasty() -> Limits {
    Limits { idle: Duration::from_millis(250), request: Duration::from_millis(600), attempts: 2, ..limits() }
}

pub(crate) fn good(machine: &Machine, asked: Asked) -> Reply {
    ok(&match asked {
        Asked::Vcek => machine.vek.clone(),
        Asked::Chain => chain(machine.family),
        Asked::Crl => crl(machine.family),
    })
}

pub(crate) fn ok(body: &[u8]) -> Reply {
    status("200 OK", "", body)
}

/// Returns an answer. `fields` are whole lines.
pub(crate) fn status(status: &str, fields: &str, body: &[u8]) -> Reply {
    let head = format!("HTTP/1.1 {status}\r\n{fields}content-length: {}\r\n\r\n", body.len());
    Reply::Bytes([head.as_bytes(), body].concat())
}

fn asked(target: &str) -> Asked {
    match target.rsplit('/').next() {
        Some("cert_chain") => Asked::Chain,
        Some("crl") => Asked::Crl,
        _ => Asked::Vcek,
    }
}

async fn serve<T: AsyncRead + AsyncWrite + Unpin>(
    mut stream: T,
    script: &(impl Fn(Asked, usize) -> Reply + ?Sized),
    log: &Mutex<Vec<String>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let kind = asked(head.split(' ').nth(1).unwrap());
    let before = {
        let mut log = log.lock().unwrap();
        let before = log.iter().filter(|head| asked(head.split(' ').nth(1).unwrap()) == kind).count();
        log.push(head);
        before
    };
    // The client may have left.
    let _ = match script(kind, before) {
        Reply::Bytes(bytes) => stream.write_all(&bytes).await,
        Reply::Drip(bytes, pause) => drip(&mut stream, &bytes, pause).await,
        Reply::Endless(bytes) => {
            let _ = stream.write_all(&bytes).await;
            while stream.write_all(&[0; 4096]).await.is_ok() {}
            Ok(())
        }
        Reply::Silent(bytes) => {
            let _ = stream.write_all(&bytes).await;
            std::future::pending().await
        }
    };
    let _ = stream.shutdown().await;
}

async fn drip<T: AsyncWrite + Unpin>(stream: &mut T, bytes: &[u8], pause: Duration) -> std::io::Result<()> {
    for byte in bytes {
        stream.write_u8(*byte).await?;
        stream.flush().await?;
        tokio::time::sleep(pause).await;
    }
    Ok(())
}
