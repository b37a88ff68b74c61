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

/// Bytes moved at once. A direction holds such a buffer only while it has bytes in flight; an idle one holds none.
const CHUNK: usize = 128 * 1024;
/// Buffers that a thread keeps for its next chunks.
const SPARE: usize = 8;

/// When a connection last carried something.
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

/// Which side of a direction broke.
pub(super) enum Broken {
    /// Where the bytes come from.
    From(io::Error),
    /// Where they go.
    To(io::Error),
}

impl From<Broken> for io::Error {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::From(error) | Broken::To(error) => error,
        }
    }
}

/// Moves bytes until `from` ends, then passes the end on.
pub(super) async fn pump(from: &impl Socket, to: &impl Socket, activity: &Activity) -> Result<(), Broken> {
    loop {
        from.ready(Interest::READABLE).await.map_err(Broken::From)?;
        let mut buffer = Buffer::take();
        let mut filled = 0;
        let received = from.try_io(Interest::READABLE, || {
            filled = receive(from, buffer.bytes())?;
            match filled {
                // What does not fill the buffer was all that there was: there is no need to look again.
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

/// Reads until `from` ends, and keeps nothing.
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

/// A socket whose readiness can be awaited without holding a buffer.
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
        // The peer has closed everything already.
        Ok(()) | Err(Errno::NOTCONN) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

thread_local! {
    static SPARES: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer that goes back to its thread's spares.
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
            // A thread that is ending has no spares any more.
            let _ = SPARES.try_with(|spares| {
                let mut spares = spares.borrow_mut();
                if spares.len() < SPARE {
                    spares.push(bytes);
                }
            });
        }
    }
}
