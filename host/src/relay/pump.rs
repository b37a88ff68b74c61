//! Moves bytes from one socket to another.

use std::cell::RefCell;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};

use quoth_link::Stream;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Maximum number of bytes moved at once. A direction holds a buffer of this size only while it has bytes in flight.
const CHUNK: usize = 128 * 1024;
/// Number of unused buffers that a thread keeps.
const SPARE: usize = 8;

/// The time when a connection last moved bytes.
pub(super) struct Activity(Mutex<Instant>);

impl Activity {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    pub(super) fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// The side of a direction that failed.
pub(super) enum Broken {
    /// The side that bytes come from.
    From(io::Error),
    /// The side that bytes go to.
    To(io::Error),
}

impl From<Broken> for io::Error {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::From(error) | Broken::To(error) => error,
        }
    }
}

/// Moves bytes until `from` ends, then closes the write direction of `to`.
pub(super) async fn pump(from: &impl Socket, to: &impl Socket, activity: &Activity) -> Result<(), Broken> {
    loop {
        from.ready(Interest::READABLE).await.map_err(Broken::From)?;
        let mut buffer = Buffer::take();
        let mut filled = 0;
        let received = from.try_io(Interest::READABLE, || {
            filled = receive(from, buffer.bytes())?;
            match filled {
                // A read that does not fill the buffer has emptied the socket, so there is no need to try again.
                1..CHUNK => Err(io::ErrorKind::WouldBlock.into()),
                _ => Ok(()),
            }
        });
        match received {
            Ok(()) if filled == 0 => return end(to).map_err(Broken::To),
            Ok(()) => {}
            Err(error) if again(&error) && filled == 0 => continue,
            Err(error) if again(&error) => {}
            Err(error) => return Err(Broken::From(error)),
        }
        activity.note();
        let mut sent = 0;
        while sent < filled {
            let rest = &buffer.bytes()[sent..filled];
            match to.try_io(Interest::WRITABLE, || Ok(send(to, rest, SendFlags::NOSIGNAL)?)) {
                Ok(count) => {
                    sent += count;
                    activity.note();
                }
                Err(error) if again(&error) => to.ready(Interest::WRITABLE).await.map_err(Broken::To)?,
                Err(error) => return Err(Broken::To(error)),
            }
        }
    }
}

/// Reads until `from` ends, and drops the bytes.
pub(super) async fn discard(from: &impl Socket, activity: &Activity) -> io::Result<()> {
    loop {
        from.ready(Interest::READABLE).await?;
        match from.try_io(Interest::READABLE, || receive(from, Buffer::take().bytes())) {
            Ok(0) => return Ok(()),
            Ok(_) => activity.note(),
            Err(error) if again(&error) => {}
            Err(error) => return Err(error),
        }
    }
}

/// A socket whose readiness can be awaited without a buffer.
pub(crate) trait Socket: AsFd + Sync {
    fn ready(&self, interest: Interest) -> impl Future<Output = io::Result<()>> + Send;
    fn try_io<R>(&self, interest: Interest, call: impl FnOnce() -> io::Result<R>) -> io::Result<R>;
}

impl Socket for TcpStream {
    async fn ready(&self, interest: Interest) -> io::Result<()> {
        self.ready(interest).await.map(drop)
    }

    fn try_io<R>(&self, interest: Interest, call: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.try_io(interest, call)
    }
}

impl Socket for Stream {
    async fn ready(&self, interest: Interest) -> io::Result<()> {
        self.ready(interest).await
    }

    fn try_io<R>(&self, interest: Interest, call: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.try_io(interest, call)
    }
}

fn receive(from: &impl Socket, buffer: &mut [u8]) -> io::Result<usize> {
    Ok(recv(from, buffer, RecvFlags::empty())?.0)
}

fn again(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// Closes the write direction.
pub(super) fn end(socket: &impl Socket) -> io::Result<()> {
    match shutdown(socket, Shutdown::Write) {
        // The peer has already closed both directions.
        Ok(()) | Err(Errno::NOTCONN) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

thread_local! {
    static SPARES: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer that returns to its thread's unused buffers when it is dropped.
struct Buffer(Option<Box<[u8]>>);

impl Buffer {
    fn take() -> Self {
        let spare = SPARES.with_borrow_mut(Vec::pop);
        Self(Some(spare.unwrap_or_else(|| vec![0; CHUNK].into_boxed_slice())))
    }

    fn bytes(&mut self) -> &mut [u8] {
        self.0.as_deref_mut().unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(bytes) = self.0.take() {
            // A thread that is ending keeps no buffers.
            let _ = SPARES.try_with(|spares| {
                let mut spares = spares.borrow_mut();
                if spares.len() < SPARE {
                    spares.push(bytes);
                }
            });
        }
    }
}
