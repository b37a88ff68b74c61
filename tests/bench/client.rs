//! A cheap blocking client for HTTPS and HTTP, with one thread for each connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quoth_tests::Node;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};

/// Time limit for a silent server.
const PATIENCE: Duration = Duration::from_secs(120);

/// A kept-alive connection.
pub(crate) struct Connection {
    stream: BufReader<Box<dyn Stream>>,
    line: Vec<u8>,
    /// Further header lines of every request.
    fields: String,
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// An answer's head.
pub(crate) struct Head {
    pub(crate) status: u16,
    chunked: bool,
    length: usize,
    pub(crate) has_receipt: bool,
}

impl Connection {
    pub(crate) fn open(node: &Node) -> Self {
        Self::secure(node.port(), &node.run_dir().join("ca.pem"))
    }

    /// Connects to `localhost` with TLS, and trusts the authority in a file.
    pub(crate) fn secure(port: u16, ca: &Path) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
        let config = ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tls = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
        Self::over(StreamOwned::new(tls, connect(port)))
    }

    /// Connects without TLS.
    pub(crate) fn plain(port: u16) -> Self {
        Self::over(connect(port))
    }

    fn over(stream: impl Stream + 'static) -> Self {
        let stream = BufReader::with_capacity(64 << 10, Box::new(stream) as Box<dyn Stream>);
        Self { stream, line: Vec::new(), fields: String::new() }
    }

    /// Sets the key of all requests.
    pub(crate) fn with_key(self, key: &str) -> Self {
        Self { fields: format!("authorization: Bearer {key}\r\n"), ..self }
    }

    /// Posts a body. Gives the answer's body to `read`, piece by piece as it arrives.
    pub(crate) fn post(&mut self, target: &str, body: &[u8], read: impl FnMut(&[u8])) -> Head {
        let head = format!(
            "POST {target} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{}content-length: {}\r\n\r\n",
            self.fields,
            body.len()
        );
        let mut message = Vec::with_capacity(head.len() + body.len());
        message.extend_from_slice(head.as_bytes());
        message.extend_from_slice(body);
        self.request(&message, read)
    }

    /// Gets a small JSON document.
    pub(crate) fn get(&mut self, target: &str) -> serde_json::Value {
        let mut body = Vec::new();
        let message = format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        let head = self.request(message.as_bytes(), |piece| body.extend_from_slice(piece));
        assert_eq!(head.status, 200);
        serde_json::from_slice(&body).unwrap()
    }

    /// Returns the status of the answer to a GET.
    pub(crate) fn status(&mut self, target: &str) -> u16 {
        self.request(format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes(), |_| {}).status
    }

    fn request(&mut self, message: &[u8], mut read: impl FnMut(&[u8])) -> Head {
        let stream = self.stream.get_mut();
        stream.write_all(message).unwrap();
        stream.flush().unwrap();
        let head = self.head();
        if !head.chunked {
            self.pass_on(head.length, &mut read);
            return head;
        }
        loop {
            self.read_line();
            let size = std::str::from_utf8(&self.line).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            self.pass_on(size, &mut read);
            self.read_line();
            if size == 0 {
                return head;
            }
        }
    }

    fn head(&mut self) -> Head {
        self.read_line();
        let status = std::str::from_utf8(&self.line).unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let mut head = Head { status, chunked: false, length: 0, has_receipt: false };
        loop {
            self.read_line();
            if self.line.is_empty() {
                return head;
            }
            let line = std::str::from_utf8(&self.line).unwrap().to_ascii_lowercase();
            let (name, value) = line.split_once(':').unwrap();
            match name {
                "content-length" => head.length = value.trim().parse().unwrap(),
                "transfer-encoding" => head.chunked = value.trim() == "chunked",
                "quoth-receipt" => head.has_receipt = true,
                _ => {}
            }
        }
    }

    fn pass_on(&mut self, mut size: usize, read: &mut impl FnMut(&[u8])) {
        while size > 0 {
            let ahead = self.stream.fill_buf().unwrap();
            assert!(!ahead.is_empty(), "the connection ended within an answer");
            let take = ahead.len().min(size);
            read(&ahead[..take]);
            self.stream.consume(take);
            size -= take;
        }
    }

    fn read_line(&mut self) {
        self.line.clear();
        self.stream.by_ref().take(64 << 10).read_until(b'\n', &mut self.line).unwrap();
        assert!(self.line.ends_with(b"\r\n"), "no whole line");
        self.line.truncate(self.line.len() - 2);
    }
}

fn connect(port: u16) -> TcpStream {
    let tcp = TcpStream::connect(("127.0.0.1", port)).unwrap();
    tcp.set_nodelay(true).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    tcp
}
