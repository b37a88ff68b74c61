//! A stream socket, driven by tokio's reactor. Room to write is watched for only when there was none: a Unix socket tells
//! its writer each time that its reader has read (`unix_write_space` in Linux), which would wake a process once a message,
//! for nothing.

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
    /// `socket`: one that does not block.
    pub(crate) fn new(socket: T) -> io::Result<Self> {
        Ok(Self { socket: register(socket, Interest::READABLE)?, room: OnceLock::new() })
    }

    pub(crate) fn get(&self) -> &T {
        self.socket.get_ref()
    }

    /// Who begins to watch hears of the room that there is.
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
            // What does not fill the buffer was all that there was: there is no need to look again.
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
    reason = "its successor is unsafe; all that are given own their descriptor and give always the same"
)]
pub(crate) fn register<T: AsRawFd>(socket: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(socket, interest)
}
