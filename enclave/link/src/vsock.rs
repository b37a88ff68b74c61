//! Virtual sockets (vsock(7)), driven by tokio's reactor.

use std::io;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::spawn_blocking;
use vsock::{VMADDR_CID_ANY, VsockListener, VsockStream};

use crate::socket::{Socket, register};

/// Accepts connections on one port, from one machine.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: AsyncFd<VsockListener>,
    from: u32,
}

impl Listener {
    /// Listens for connections from the machine with the context id `from`.
    pub(crate) fn bind(from: u32, port: u32) -> io::Result<Self> {
        let listener = VsockListener::bind_with_cid_port(VMADDR_CID_ANY, port)?;
        listener.set_nonblocking(true)?;
        Ok(Self { socket: register(listener, Interest::READABLE)?, from })
    }

    pub(crate) async fn accept(&self) -> io::Result<Socket<VsockStream>> {
        loop {
            let (stream, peer) = self.socket.async_io(Interest::READABLE, VsockListener::accept).await?;
            // A machine may have several guests, and each of them can connect to every port.
            if peer.cid() == self.from {
                return watched(stream);
            }
        }
    }
}

/// Connects to a port of another machine. The kernel gives up after two seconds.
pub(crate) async fn connect(cid: u32, port: u32) -> io::Result<Socket<VsockStream>> {
    let connected = spawn_blocking(move || VsockStream::connect_with_cid_port(cid, port)).await;
    watched(connected.map_err(io::Error::other)??)
}

fn watched(stream: VsockStream) -> io::Result<Socket<VsockStream>> {
    stream.set_nonblocking(true)?;
    Socket::new(stream)
}
