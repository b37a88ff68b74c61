//! One connection over any kind of link, and the listener that accepts it.

use std::io::{self, IoSlice, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::vsock::VsockStream;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::UnixListener;

use crate::socket::Socket;
use crate::{LinkError, vsock};

/// Maximum length of one write to a virtual socket, bytes. With 64 KiB one device model stalled.
const WRITE: usize = 16 * 1024;

/// Accepts connections on one port.
#[derive(Debug)]
pub struct Listener(Listens);

#[derive(Debug)]
enum Listens {
    Unix(UnixListener),
    Vsock(vsock::Listener),
}

/// One connection of a link.
#[derive(Debug)]
pub struct Stream(Over);

#[derive(Debug)]
enum Over {
    Unix(Socket<UnixStream>),
    Vsock(Socket<VsockStream>),
}

impl Listener {
    /// Returns the next connection. Cancel safe.
    ///
    /// # Errors
    /// [`LinkError::Io`]. The listener stays usable.
    pub async fn accept(&self) -> Result<Stream, LinkError> {
        Ok(match &self.0 {
            Listens::Unix(listener) => Stream::unix(listener.accept().await?.0)?,
            Listens::Vsock(listener) => listener.accept().await?.into(),
        })
    }
}

impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self(Listens::Unix(listener))
    }
}

impl From<vsock::Listener> for Listener {
    fn from(listener: vsock::Listener) -> Self {
        Self(Listens::Vsock(listener))
    }
}

impl From<Socket<VsockStream>> for Stream {
    fn from(stream: Socket<VsockStream>) -> Self {
        Self(Over::Vsock(stream))
    }
}

impl Stream {
    pub(crate) fn unix(stream: tokio::net::UnixStream) -> io::Result<Self> {
        Ok(Self(Over::Unix(Socket::new(stream.into_std()?)?)))
    }

    /// Returns both ends of a connection, for tests.
    ///
    /// # Errors
    /// [`LinkError::Io`].
    pub fn pair() -> Result<(Self, Self), LinkError> {
        let (one, other) = tokio::net::UnixStream::pair()?;
        Ok((Self::unix(one)?, Self::unix(other)?))
    }

    /// Waits until there are bytes to read, or room to write. `interest` names one of the two. Cancel safe.
    ///
    /// # Errors
    /// Errors of the reactor.
    pub async fn ready(&self, interest: Interest) -> io::Result<()> {
        match &self.0 {
            Over::Unix(stream) => stream.ready(interest).await,
            Over::Vsock(stream) => stream.ready(interest).await,
        }
    }

    /// Runs a system call on the socket. If the call returns `WouldBlock`, clears the readiness.
    ///
    /// # Errors
    /// Errors of the call.
    pub fn try_io<R>(&self, interest: Interest, call: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        match &self.0 {
            Over::Unix(stream) => stream.try_io(interest, call),
            Over::Vsock(stream) => stream.try_io(interest, call),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Over::Unix(stream) => stream.get().as_fd(),
            Over::Vsock(stream) => stream.get().as_fd(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Over::Unix(stream) => stream.poll_read(cx, buf),
            Over::Vsock(stream) => stream.poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &self.0 {
            Over::Unix(stream) => stream.poll_write(cx, |stream| stream.write(buf)),
            Over::Vsock(stream) => stream.poll_write(cx, |stream| stream.write(&buf[..buf.len().min(WRITE)])),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &self.0 {
            Over::Unix(stream) => stream.poll_write(cx, |stream| stream.write_vectored(bufs)),
            Over::Vsock(_) => {
                let first = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| buf);
                self.poll_write(cx, first)
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        matches!(self.0, Over::Unix(_))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match &self.0 {
            Over::Unix(stream) => stream.get().shutdown(Shutdown::Write),
            Over::Vsock(stream) => stream.get().shutdown(Shutdown::Write),
        })
    }
}
