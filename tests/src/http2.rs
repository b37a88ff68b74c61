//! A client's side of HTTP/2 with flow-control windows that a test chooses.

use std::io;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use http::Request;

use crate::Node;
use crate::wire::tls;

/// An HTTP/2 connection to a node. Pings are answered until it is dropped.
pub struct Http2 {
    /// Opens streams.
    pub requests: SendRequest<Bytes>,
    connection: tokio::task::JoinHandle<()>,
}

impl Http2 {
    /// Connects. The node may send `window` bytes of each answer.
    pub async fn open(node: &Node, window: u32) -> io::Result<Self> {
        let stream = tls(node.port(), &node.run_dir().join("ca.pem"), &[b"h2"]).await?;
        let built = Builder::new().initial_window_size(window).handshake(stream).await;
        let (requests, connection) = built.map_err(io::Error::other)?;
        let connection = tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Self { requests, connection })
    }

    /// Returns whether the connection has ended.
    pub fn has_ended(&self) -> bool {
        self.connection.is_finished()
    }

    /// Sends a POST. The body follows in one piece, or never.
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
        // The names and values of tests are valid in a request.
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
