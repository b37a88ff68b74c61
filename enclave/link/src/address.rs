//! Where the other side is. Unix sockets serve the simulated platform; virtual sockets join when images do.

use std::fmt;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{UnixListener, UnixStream};

use crate::LinkError;

/// A port of the link: what a stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Port(u32);

impl Port {
    /// Clients' TLS, host to enclave.
    pub const CLIENTS: Self = Self(443);
    /// Egress to closed providers, enclave to host.
    pub const EGRESS: Self = Self(7001);
    /// The model feed, enclave to host.
    pub const MODEL: Self = Self(7002);
    /// The journal, enclave to host.
    pub const JOURNAL: Self = Self(7003);
    /// Events and commands, enclave to host.
    pub const EVENTS: Self = Self(7004);
    /// Metrics, host to enclave.
    pub const METRICS: Self = Self(7005);

    /// The number.
    pub fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "port {}", self.0)
    }
}

/// One link, all of its ports.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// A directory with one socket a port, `443.sock` and so on.
    Unix(PathBuf),
}

impl Address {
    /// Reads `unix:DIRECTORY`.
    ///
    /// # Errors
    /// [`LinkError::Address`] for anything else.
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        match text.strip_prefix("unix:") {
            Some(path) if !path.is_empty() && !path.contains('\0') => Ok(Self::Unix(PathBuf::from(path))),
            _ => Err(LinkError::Address),
        }
    }

    /// Connects to `port`, waiting at most `timeout`.
    ///
    /// # Errors
    /// [`LinkError::Io`] when nobody listens, [`LinkError::ConnectTimeout`].
    pub async fn connect(&self, port: Port, timeout: Duration) -> Result<Stream, LinkError> {
        let Self::Unix(directory) = self;
        let path = socket(directory, port);
        match tokio::time::timeout(timeout, UnixStream::connect(path)).await {
            Ok(stream) => Ok(Stream(stream?)),
            Err(_) => Err(LinkError::ConnectTimeout { port }),
        }
    }

    /// Listens on `port`; a socket left there by an earlier process is removed first. Only the same user may connect.
    /// Call it inside a tokio runtime.
    ///
    /// # Errors
    /// [`LinkError::Io`]; also when something that is no socket is in the way, which is left alone.
    pub fn listen(&self, port: Port) -> Result<Listener, LinkError> {
        let Self::Unix(directory) = self;
        let path = socket(directory, port);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.file_type().is_socket() => fs::remove_file(&path)?,
            Ok(_) => return Err(io::Error::from(io::ErrorKind::AlreadyExists).into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok(Listener(listener))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Unix(directory) = self;
        write!(f, "unix:{}", directory.display())
    }
}

fn socket(directory: &Path, port: Port) -> PathBuf {
    directory.join(format!("{}.sock", port.0))
}

/// Takes connections on one port.
#[derive(Debug)]
pub struct Listener(UnixListener);

impl Listener {
    /// The next connection. Cancel safe.
    ///
    /// # Errors
    /// [`LinkError::Io`]; the listener stays usable.
    pub async fn accept(&self) -> Result<Stream, LinkError> {
        Ok(Stream(self.0.accept().await?.0))
    }
}

/// One connection of a link.
#[derive(Debug)]
pub struct Stream(UnixStream);

impl Stream {
    /// Both ends of a connection, for tests of what speaks over one.
    ///
    /// # Errors
    /// [`LinkError::Io`].
    pub fn pair() -> Result<(Self, Self), LinkError> {
        let (one, other) = UnixStream::pair()?;
        Ok((Self(one), Self(other)))
    }

    /// Waits until the socket is ready in the sense of `interest`. Cancel safe.
    ///
    /// # Errors
    /// The reactor's.
    pub async fn ready(&self, interest: Interest) -> io::Result<()> {
        self.0.ready(interest).await.map(drop)
    }

    /// Runs a system call on the socket that gives `WouldBlock` when it cannot proceed; clears readiness then.
    ///
    /// # Errors
    /// The call's.
    pub fn try_io<R>(&self, interest: Interest, call: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.0.try_io(interest, call)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
