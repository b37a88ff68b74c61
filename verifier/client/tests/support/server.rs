//! A TLS server that speaks enough HTTP/1.1 and answers by a script.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use quoth_attestation::binding::Nonce;
use rcgen::KeyPair;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    pub head: String,
    pub body: Vec<u8>,
}

impl Received {
    pub fn method(&self) -> &str {
        self.head.split(' ').next().unwrap()
    }

    pub fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().filter_map(|line| line.split_once(": ")).find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The nonce of a request for evidence, or of a request to be answered.
    pub fn nonce(&self) -> Option<Nonce> {
        let text =
            self.target().split_once("?nonce=").map(|(_, nonce)| nonce).or_else(|| self.header("quoth-nonce"))?;
        Some(Nonce::from_hex(text).unwrap())
    }
}

/// An answer in pieces: each but the first is sent when the gate gives a permit.
pub struct Paced {
    pub pieces: Vec<Vec<u8>>,
    pub gate: Arc<Semaphore>,
}

impl From<Vec<u8>> for Paced {
    fn from(bytes: Vec<u8>) -> Self {
        Self { pieces: vec![bytes], gate: Arc::new(Semaphore::new(0)) }
    }
}

pub struct Server {
    pub address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    live: Arc<AtomicUsize>,
    hang_up: watch::Sender<()>,
}

impl Server {
    /// Answers each request with the bytes that `script` gives; no bytes close the connection.
    pub async fn start(
        key: &KeyPair,
        certificate: &[u8],
        script: impl Fn(&Received) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        Self::start_paced(key, certificate, move |request| Paced::from(script(request))).await
    }

    /// [`Server::start`], but answers come in pieces.
    pub async fn start_paced(
        key: &KeyPair,
        certificate: &[u8],
        script: impl Fn(&Received) -> Paced + Send + Sync + 'static,
    ) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from(certificate.to_vec())],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let (log, script) = (Arc::clone(&received), Arc::new(script));
        let live = Arc::new(AtomicUsize::new(0));
        let (counter, (hang_up, hung_up)) = (Arc::clone(&live), watch::channel(()));
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, log, script) = (acceptor.clone(), Arc::clone(&log), Arc::clone(&script));
                let (counter, mut hung_up) = (Arc::clone(&counter), hung_up.clone());
                tokio::spawn(async move {
                    let Ok(mut tls) = acceptor.accept(tcp).await else { return };
                    counter.fetch_add(1, Ordering::SeqCst);
                    hung_up.mark_unchanged();
                    tokio::select! {
                        () = converse(&mut tls, &log, &*script) => {}
                        _ = hung_up.changed() => {}
                    }
                    drop(tls.shutdown().await);
                    counter.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, received, live, hang_up }
    }

    /// Closes every connection.
    pub async fn hang_up(&self) {
        self.hang_up.send(()).unwrap();
        while self.live() > 0 {
            tokio::task::yield_now().await;
        }
    }

    /// How many connections stand.
    pub fn live(&self) -> usize {
        self.live.load(Ordering::SeqCst)
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// How many prompts were sent.
    pub fn posts(&self) -> usize {
        self.received().iter().filter(|request| request.method() == "POST").count()
    }
}

async fn converse(
    tls: &mut TlsStream<tokio::net::TcpStream>,
    log: &Mutex<Vec<Received>>,
    script: &(impl Fn(&Received) -> Paced + Send + Sync),
) {
    while let Some(request) = read_request(tls).await {
        log.lock().unwrap().push(request.clone());
        let Paced { pieces, gate } = script(&request);
        let Some(first) = pieces.first().filter(|first| !first.is_empty()) else { return };
        for (index, piece) in pieces.iter().enumerate() {
            if index > 0 {
                let mut unexpected = [0];
                tokio::select! {
                    permit = gate.acquire() => permit.unwrap().forget(),
                    // A client that says anything now has gone away.
                    _ = tls.read(&mut unexpected) => return,
                }
            }
            if tls.write_all(piece).await.is_err() || tls.flush().await.is_err() {
                return;
            }
        }
        // An answer that announces no length ends with the connection.
        let head = String::from_utf8_lossy(&first[..first.len().min(4096)]).to_lowercase();
        if !head.contains("content-length") && !head.contains("chunked") {
            return;
        }
    }
}

async fn read_request(stream: &mut (impl AsyncReadExt + Unpin)) -> Option<Received> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        stream.read_buf(&mut bytes).await.ok().filter(|count| *count > 0)?;
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let mut body = bytes.split_off(end);
    let request = Received { head, body: Vec::new() };
    let length: usize = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    while body.len() < length {
        stream.read_buf(&mut body).await.ok().filter(|count| *count > 0)?;
    }
    Some(Received { body, ..request })
}

/// An HTTP answer with a length.
pub fn answer(status: u16, headers: &[(&str, String)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n", body.len());
    headers.iter().for_each(|(name, value)| bytes += &format!("{name}: {value}\r\n"));
    [bytes.as_bytes(), b"\r\n", body].concat()
}

/// An HTTP answer in chunks.
pub fn chunked(headers: &[(&str, String)], body: &[u8]) -> Vec<u8> {
    let mut head = String::from("HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n");
    headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
    let mut bytes = [head.as_bytes(), b"\r\n"].concat();
    for chunk in body.chunks(100) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

/// An HTTP answer that ends with the connection.
pub fn open_ended(headers: &[(&str, String)], body: &[u8]) -> Vec<u8> {
    let mut bytes = String::from("HTTP/1.1 200 x\r\nconnection: close\r\n");
    headers.iter().for_each(|(name, value)| bytes += &format!("{name}: {value}\r\n"));
    [bytes.as_bytes(), b"\r\n", body].concat()
}
