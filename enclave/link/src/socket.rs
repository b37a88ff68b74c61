//! A stream socket, driven by tokio's reactor.
//!
//! It watches for room to write only after a write found none. A Unix socket notifies its writer after every read of its
//! reader (`unix_write_space` in Linux), which would wake the process for every message without need.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::OnceLock;
use std::task::{Context, Poll, ready};

use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, ReadBuf};

#[derive(Debug)]
pub(crate) struct Socket<T: AsRawFd> {
    /// Watched for bytes to read.
    socket: AsyncFd<T>,
    /// The same socket, watched for room to write.
    room: OnceLock<AsyncFd<OwnedFd>>,
}

impl<T: AsFd + AsRawFd> Socket<T>
where
    for<'a> &'a T: Read + Write,
{
    /// Takes a socket in non-blocking mode.
    pub(crate) fn new(socket: T) -> io::Result<Self> {
        Ok(Self { socket: register(socket, Interest::READABLE)?, room: OnceLock::new() })
    }

    pub(crate) fn get(&self) -> &T {
        self.socket.get_ref()
    }

    /// Starts to watch for room to write. Room that exists at that moment is reported, too.
    fn room(&self) -> io::Result<&AsyncFd<OwnedFd>> {
        if let Some(room) = self.room.get() {
            return Ok(room);
        }
        let room = register(self.get().as_fd().try_clone_to_owned()?, Interest::WRITABLE)?;
        Ok(self.room.get_or_init(|| room))
    }

    pub(crate) async fn ready(&self, interest: Interest) -> io::Result<()> {
        match interest.is_writable() {
            true => self.room()?.writable().await.map(drop),
            false => self.socket.readable().await.map(drop),
        }
    }

    pub(crate) fn try_io<R>(&self, interest: Interest, call: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        match (interest.is_writable(), self.room.get()) {
            (true, Some(room)) => room.try_io(interest, |_| call()),
            (true, None) => call(),
            (false, _) => self.socket.try_io(interest, |_| call()),
        }
    }

    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.socket.poll_read_ready(cx))?;
            let Ok(read) = guard.try_io(|socket| socket.get_ref().read(buf.initialize_unfilled())) else { continue };
            let count = read?;
            // A read that does not fill the buffer has emptied the socket, so there is no need to try again.
            if (1..buf.remaining()).contains(&count) {
                guard.clear_ready();
            }
            buf.advance(count);
            return Poll::Ready(Ok(()));
        }
    }

    pub(crate) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        write: impl Fn(&mut &T) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.try_io(Interest::WRITABLE, || write(&mut self.get())) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    drop(ready!(self.room()?.poll_write_ready(cx))?);
                }
                written => return Poll::Ready(written),
            }
        }
    }
}

#[expect(
    deprecated,
    reason = "its successor is unsafe; every type used here owns its descriptor and always returns the same one"
)]
fn register<T: AsRawFd>(socket: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(socket, interest)
}
