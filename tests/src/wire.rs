//! TLS connections that can send any bytes, and read HTTP/1.1 answers.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Time limit for a silent node.
const PATIENCE: Duration = Duration::from_secs(120);

/// Connects over TLS 1.3 to a port on loopback, trusting the CA in a file and offering these protocols.
pub(crate) async fn tls(port: u16, ca: &Path, protocols: &[&[u8]]) -> io::Result<TlsStream<TcpStream>> {
    let pem = std::fs::read(ca)?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&pem).map_err(io::Error::other)?).map_err(io::Error::other)?;
    let mut config = ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let tcp = TcpStream::connect(("127.0.0.1", port)).await?;
    tcp.set_nodelay(true)?;
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await
}

/// A TLS connection that sends any bytes and reads HTTP/1.1 answers.
pub struct Wire {
    stream: TlsStream<TcpStream>,
    /// Bytes that are read, but not yet part of an answer.
    ahead: Vec<u8>,
}

/// An HTTP answer.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Header names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// Body, transfer-coding removed.
    pub body: Vec<u8>,
}

impl Wire {
    /// Connects to a port on loopback, trusting the CA in a file.
    pub async fn open(port: u16, ca: &Path) -> io::Result<Self> {
        Ok(Self { stream: tls(port, ca, &[]).await?, ahead: Vec::new() })
    }

    /// Sends bytes unchanged.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Sends `GET target`.
    pub async fn get(&mut self, target: &str) -> io::Result<Answer> {
        self.send(format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await?;
        self.answer().await
    }

    /// Sends `POST target` with a JSON body and further header lines.
    pub async fn post(&mut self, target: &str, headers: &[&str], body: &[u8]) -> io::Result<Answer> {
        self.send(post_head(target, headers, body.len()).as_bytes()).await?;
        // A node may answer and close before it has read the whole body, if it refuses the request.
        let _ = self.send(body).await;
        self.answer().await
    }

    /// Reads one whole answer.
    pub async fn answer(&mut self) -> io::Result<Answer> {
        let mut answer = self.head().await?;
        let header = |name: &str| answer.header(name).map(str::to_owned);
        answer.body = match (header("transfer-encoding").as_deref(), header("content-length")) {
            (Some("chunked"), _) => self.chunks().await?,
            (_, Some(length)) => self.take(length.parse().map_err(io::Error::other)?).await?,
            (_, None) => Vec::new(),
        };
        Ok(answer)
    }

    /// Reads the head of an answer, but not its body.
    pub async fn head(&mut self) -> io::Result<Answer> {
        let head = self.until(b"\r\n\r\n").await?;
        let text = String::from_utf8(head).map_err(io::Error::other)?;
        let mut lines = text.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
        Ok(Answer { status: status.ok_or_else(|| io::Error::other("no status line"))?, headers, body: Vec::new() })
    }

    /// Waits until at least one more byte arrives.
    pub async fn some(&mut self) -> io::Result<()> {
        self.more().await
    }

    /// Returns whether the peer ends the connection within `limit`. Reads everything until then.
    pub async fn ends_within(&mut self, limit: Duration) -> bool {
        let end = async { while self.more().await.is_ok() {} };
        tokio::time::timeout(limit, end).await.is_ok()
    }

    async fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.until(b"\r\n").await?;
            let size = std::str::from_utf8(&line).ok().and_then(|line| usize::from_str_radix(line.trim(), 16).ok());
            let size = size.ok_or_else(|| io::Error::other("no chunk size"))?;
            let mut chunk = self.take(size + 2).await?;
            chunk.truncate(size);
            match size {
                0 => return Ok(body),
                _ => body.append(&mut chunk),
            }
        }
    }

    async fn until(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.ahead.windows(end.len()).position(|window| window == end) {
                return Ok(self.ahead.drain(..at + end.len()).collect());
            }
            self.more().await?;
        }
    }

    async fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.ahead.len() < length {
            self.more().await?;
        }
        Ok(self.ahead.drain(..length).collect())
    }

    async fn more(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        let read = tokio::time::timeout(PATIENCE, self.stream.read(&mut buffer)).await;
        match read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.ahead.extend(&buffer[..count]);
                Ok(())
            }
        }
    }
}

impl Answer {
    /// Returns the value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns the body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&self.body)))
    }

    /// Returns `error.code` of an error in OpenAI's format.
    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// Returns the head of a POST with a body of `length` bytes.
pub(crate) fn post_head(target: &str, headers: &[&str], length: usize) -> String {
    let mut head = format!("POST {target} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n");
    for header in headers {
        head += header;
        head += "\r\n";
    }
    head + &format!("content-length: {length}\r\n\r\n")
}
