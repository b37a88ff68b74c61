//! One connection, whatever it goes over.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{UnixListener, UnixStream};

use crate::{LinkError, vsock};

/// Takes connections on one port.
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
    Unix(UnixStream),
    Vsock(vsock::Stream),
}

impl Listener {
    /// The next connection. Cancel safe.
    ///
    /// # Errors
    /// [`LinkError::Io`]; the listener stays usable.
    pub async fn accept(&self) -> Result<Stream, LinkError> {
        Ok(match &self.0 {
            Listens::Unix(listener) => listener.accept().await?.0.into(),
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

impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Self {
        Self(Over::Unix(stream))
    }
}

impl From<vsock::Stream> for Stream {
    fn from(stream: vsock::Stream) -> Self {
        Self(Over::Vsock(stream))
    }
}

impl Stream {
    /// Both ends of a connection, for tests of what speaks over one.
    ///
    /// # Errors
    /// [`LinkError::Io`].
    pub fn pair() -> Result<(Self, Self), LinkError> {
        let (one, other) = UnixStream::pair()?;
        Ok((one.into(), other.into()))
    }

    /// Waits until the socket is ready in the sense of `interest`. Cancel safe.
    ///
    /// # Errors
    /// The reactor's.
    pub async fn ready(&self, interest: Interest) -> io::Result<()> {
        match &self.0 {
            Over::Unix(stream) => stream.ready(interest).await.map(drop),
            Over::Vsock(stream) => stream.ready(interest).await,
        }
    }

    /// Runs a system call on the socket that gives `WouldBlock` when it cannot proceed; clears readiness then.
    ///
    /// # Errors
    /// The call's.
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
            Over::Unix(stream) => stream.as_fd(),
            Over::Vsock(stream) => stream.as_fd(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Over::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Over::Vsock(stream) => stream.poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Over::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Over::Vsock(stream) => stream.poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Over::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Over::Vsock(stream) => {
                let first = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| buf);
                stream.poll_write(cx, first)
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            Over::Unix(stream) => stream.is_write_vectored(),
            Over::Vsock(_) => false,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Over::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Over::Vsock(stream) => Poll::Ready(stream.shutdown()),
        }
    }
}
