//! Virtual sockets (vsock(7)), driven by tokio's reactor.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::task::{Context, Poll, ready};

use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, ReadBuf};
use tokio::task::spawn_blocking;
use vsock::{VMADDR_CID_ANY, VsockListener, VsockStream};

/// Bytes given to the kernel at once. A device model was seen to stall on 64 KiB.
const WRITE: usize = 16 * 1024;

/// Takes connections on one port, from one machine.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: AsyncFd<VsockListener>,
    from: u32,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Stream(AsyncFd<VsockStream>);

impl Listener {
    /// `from`: the context id of the other side.
    pub(crate) fn bind(from: u32, port: u32) -> io::Result<Self> {
        let listener = VsockListener::bind_with_cid_port(VMADDR_CID_ANY, port)?;
        listener.set_nonblocking(true)?;
        Ok(Self { socket: register(listener)?, from })
    }

    pub(crate) async fn accept(&self) -> io::Result<Stream> {
        loop {
            let (stream, peer) = self.socket.async_io(Interest::READABLE, VsockListener::accept).await?;
            // A machine may have several guests, each of which can connect to every port.
            if peer.cid() == self.from {
                return Stream::new(stream);
            }
        }
    }
}

impl Stream {
    /// The kernel gives up after two seconds.
    pub(crate) async fn connect(cid: u32, port: u32) -> io::Result<Self> {
        let connected = spawn_blocking(move || VsockStream::connect_with_cid_port(cid, port)).await;
        Self::new(connected.map_err(io::Error::other)??)
    }

    fn new(stream: VsockStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        register(stream).map(Self)
    }

    pub(crate) async fn ready(&self, interest: Interest) -> io::Result<()> {
        self.0.ready(interest).await.map(drop)
    }

    pub(crate) fn try_io<R>(&self, interest: Interest, call: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.0.try_io(interest, |_| call())
    }

    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.0.poll_read_ready(cx))?;
            if let Ok(read) = guard.try_io(|stream| stream.get_ref().read(buf.initialize_unfilled())) {
                return Poll::Ready(read.map(|count| buf.advance(count)));
            }
        }
    }

    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let bytes = &bytes[..bytes.len().min(WRITE)];
        loop {
            let mut guard = ready!(self.0.poll_write_ready(cx))?;
            if let Ok(written) = guard.try_io(|stream| stream.get_ref().write(bytes)) {
                return Poll::Ready(written);
            }
        }
    }

    pub(crate) fn shutdown(&self) -> io::Result<()> {
        self.0.get_ref().shutdown(Shutdown::Write)
    }
}

#[expect(deprecated, reason = "its successor is unsafe; both types own their descriptor and give always the same")]
fn register<T: AsRawFd>(socket: T) -> io::Result<AsyncFd<T>> {
    AsyncFd::new(socket)
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.get_ref().as_fd()
    }
}
