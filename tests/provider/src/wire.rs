//! The TLS stream, which an answer can take from hyper.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, BufWriter, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// Maximum length of a TLS record's content, bytes.
const RECORD: usize = 16 * 1024;

/// Every clone can read and write. hyper must be gone before an answer writes its own bytes. HTTP/2 frames that are ready
/// together leave in one write, as with providers' front ends.
#[derive(Clone)]
pub(crate) struct Wire(Arc<Mutex<BufWriter<TlsStream<TcpStream>>>>);

impl Wire {
    pub(crate) fn new(stream: TlsStream<TcpStream>) -> Self {
        Self(Arc::new(Mutex::new(BufWriter::with_capacity(RECORD, stream))))
    }

    /// Ends TCP without an end of TLS.
    pub(crate) async fn hang_up(&self) {
        let ended = std::future::poll_fn(|context| {
            let mut stream = self.0.lock().unwrap();
            Pin::new(stream.get_mut().get_mut().0).poll_shutdown(context)
        });
        // The client may have closed first.
        let _ = ended.await;
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.lock().unwrap()).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.lock().unwrap()).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.lock().unwrap()).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.lock().unwrap().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.lock().unwrap()).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.lock().unwrap()).poll_shutdown(context)
    }
}
