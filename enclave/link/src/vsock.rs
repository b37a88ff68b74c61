//! Virtual sockets (vsock(7)), driven by tokio's reactor.

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;

use tokio_vsock::{VMADDR_CID_ANY, VsockAddr, VsockListener};
use vsock::VsockStream;

use crate::socket::Socket;

/// Accepts connections on one port, from one machine.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: VsockListener,
    from: u32,
}

impl Listener {
    /// Listens for connections from the machine with the context id `from`.
    pub(crate) fn bind(from: u32, port: u32) -> io::Result<Self> {
        Ok(Self { socket: VsockListener::bind(VsockAddr::new(VMADDR_CID_ANY, port))?, from })
    }

    pub(crate) async fn accept(&self) -> io::Result<Socket<VsockStream>> {
        loop {
            let (stream, peer) = poll_fn(|cx| self.socket.poll_accept_std(cx)).await?;
            // A machine may have several guests, and each of them can connect to every port.
            if peer.cid() == self.from {
                stream.set_nonblocking(true)?;
                return Socket::new(stream);
            }
        }
    }
}

/// Connects to a port of another machine. The kernel gives up after two seconds.
pub(crate) async fn connect(cid: u32, port: u32) -> io::Result<Socket<VsockStream>> {
    let stream = tokio_vsock::VsockStream::connect(VsockAddr::new(cid, port)).await?;
    Socket::new(OwnedFd::from(stream).into())
}
