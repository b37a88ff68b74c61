//! An HTTP/2 connection on which an attacker decides what is read, and when.

use std::io;

use bytes::Bytes;
use h2::client::{self, ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::Request;
use tokio::task::JoinHandle;

use crate::loopback::Dialer;

/// An open connection; it ends with this value.
pub(super) struct Session {
    sender: SendRequest<Bytes>,
    driver: JoinHandle<()>,
}

impl Session {
    /// Opens a connection whose streams each let in so many bytes before any is read.
    ///
    /// # Errors
    /// When the connection cannot be opened.
    pub(super) async fn open(dialer: &Dialer, window: u32) -> io::Result<Self> {
        let stream = dialer.open().await?;
        let mut builder = client::Builder::new();
        builder.initial_window_size(window).enable_push(false);
        let (sender, connection) = builder.handshake(stream).await.map_err(io::Error::other)?;
        // It answers pings for as long as it lives; an error ends every request on it.
        let driver = tokio::spawn(async move { drop(connection.await) });
        Ok(Self { sender, driver })
    }

    /// What opens streams.
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

/// Sends the head of a request whose body is still to come.
///
/// # Errors
/// When the connection has ended.
pub(super) async fn begin(
    sender: &SendRequest<Bytes>,
    request: Request<()>,
) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
    sender.clone().ready().await?.send_request(request, false)
}

/// Sends a whole request and waits for the head of its answer; the body stays unread.
///
/// # Errors
/// When the stream or the connection has ended without an answer.
pub(super) async fn ask(
    sender: &SendRequest<Bytes>,
    request: Request<()>,
    body: Bytes,
) -> Result<(u16, RecvStream), h2::Error> {
    let mut sender = sender.clone().ready().await?;
    let (answer, mut stream) = sender.send_request(request, body.is_empty())?;
    if !body.is_empty() {
        // A node may answer before it has read the body; its answer counts.
        let _ = stream.send_data(body, true);
    }
    let (head, body) = answer.await?.into_parts();
    Ok((head.status.as_u16(), body))
}

/// Reads a body to its end; returns its length.
///
/// # Errors
/// When the stream ends before.
pub(super) async fn drain(mut body: RecvStream) -> Result<usize, h2::Error> {
    let mut length = 0;
    while let Some(piece) = body.data().await {
        let piece = piece?;
        length += piece.len();
        body.flow_control().release_capacity(piece.len())?;
    }
    Ok(length)
}
