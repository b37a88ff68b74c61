//! A client's side of HTTP/2 whose windows a test chooses.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use http::Request;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::Node;

/// An HTTP/2 connection to a node. Pings are answered until it is dropped.
pub struct Http2 {
    /// Opens streams.
    pub requests: SendRequest<Bytes>,
    connection: tokio::task::JoinHandle<()>,
}

impl Http2 {
    /// Connects. The node may send `window` bytes of each answer.
    pub async fn open(node: &Node, window: u32) -> io::Result<Self> {
        let pem = std::fs::read(node.run_dir().join("ca.pem"))?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&pem).map_err(io::Error::other)?).map_err(io::Error::other)?;
        let mut config = ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let tcp = TcpStream::connect(("127.0.0.1", node.port())).await?;
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
        let built = Builder::new().initial_window_size(window).handshake(stream).await;
        let (requests, connection) = built.map_err(io::Error::other)?;
        let connection = tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Self { requests, connection })
    }

    /// Whether the connection has ended.
    pub fn has_ended(&self) -> bool {
        self.connection.is_finished()
    }

    /// Sends a POST; its body follows in one piece, or never.
    pub async fn post(
        &self,
        path: &str,
        fields: &[(&'static str, &str)],
        body: Option<Bytes>,
    ) -> Result<(h2::client::ResponseFuture, h2::SendStream<Bytes>), h2::Error> {
        let mut request = Request::post(format!("https://localhost{path}"));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        // A test's own names and values are a request's.
        let request = request.body(()).unwrap_or_default();
        let (answer, mut upload) = self.requests.clone().ready().await?.send_request(request, false)?;
        if let Some(body) = body {
            upload.send_data(body, true)?;
        }
        Ok((answer, upload))
    }
}

impl Drop for Http2 {
    fn drop(&mut self) {
        self.connection.abort();
    }
}
