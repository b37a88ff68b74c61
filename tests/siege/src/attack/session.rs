//! An HTTP/2 connection of an attacker, who controls what is read and when.

use std::io;

use bytes::Bytes;
use h2::client::{self, ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::Request;
use tokio::task::JoinHandle;

use crate::loopback::Dialer;

/// An open connection. It ends when this value is dropped.
pub(super) struct Session {
    sender: SendRequest<Bytes>,
    driver: JoinHandle<()>,
}

impl Session {
    /// Opens a connection. Each stream accepts `window` bytes before the attacker reads.
    ///
    /// # Errors
    /// If the connection cannot be opened.
    pub(super) async fn open(dialer: &Dialer, window: u32) -> io::Result<Self> {
        let stream = dialer.open().await?;
        let mut builder = client::Builder::new();
        builder.initial_window_size(window).enable_push(false);
        let (sender, connection) = builder.handshake(stream).await.map_err(io::Error::other)?;
        // The driver answers pings. An error ends every request on the connection.
        let driver = tokio::spawn(async move { drop(connection.await) });
        Ok(Self { sender, driver })
    }

    /// Returns the handle that opens streams.
    pub(super) fn sender(&self) -> SendRequest<Bytes> {
        self.sender.clone()
    }

    /// Waits until the connection has ended.
    pub(super) async fn ended(&mut self) {
        // The driver never panics, and is aborted only on drop.
        let _ = (&mut self.driver).await;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Sends the head of a request. The body follows later.
///
/// # Errors
/// If the connection has ended.
pub(super) async fn begin(
    sender: &SendRequest<Bytes>,
    request: Request<()>,
) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
    sender.clone().ready().await?.send_request(request, false)
}

/// Sends a whole request and waits for the head of its answer. Does not read the body.
///
/// # Errors
/// If the stream or the connection ends without an answer.
pub(super) async fn ask(
    sender: &SendRequest<Bytes>,
    request: Request<()>,
    body: Bytes,
) -> Result<(u16, RecvStream), h2::Error> {
    let mut sender = sender.clone().ready().await?;
    let (answer, mut stream) = sender.send_request(request, body.is_empty())?;
    if !body.is_empty() {
        // A node may answer before it has read the body. Its answer counts.
        let _ = stream.send_data(body, true);
    }
    let (head, body) = answer.await?.into_parts();
    Ok((head.status.as_u16(), body))
}

/// Reads a whole body. Returns its length.
///
/// # Errors
/// If the stream ends before.
pub(super) async fn drain(mut body: RecvStream) -> Result<usize, h2::Error> {
    let mut length = 0;
    while let Some(piece) = body.data().await {
        let piece = piece?;
        length += piece.len();
        body.flow_control().release_capacity(piece.len())?;
    }
    Ok(length)
}
