use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use crate::LinkError;

/// A connection between enclave and host.
pub type Stream = UnixStream;

/// Where the other side of the link is found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// Unix sockets named `PORT.sock` in this folder: the simulated platform.
    Unix(PathBuf),
}

impl Address {
    /// Reads `unix:DIR`.
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        match text.strip_prefix("unix:") {
            Some(folder) if !folder.is_empty() => Ok(Self::Unix(folder.into())),
            _ => Err(LinkError::Address),
        }
    }

    /// Opens a stream to `port`, in at most `limit`.
    pub async fn connect(&self, port: u32, limit: Duration) -> Result<Stream, LinkError> {
        match timeout(limit, UnixStream::connect(self.socket(port))).await {
            Ok(stream) => Ok(stream?),
            Err(_) => Err(LinkError::Timeout { port }),
        }
    }

    /// Listens on `port`; a socket file that nobody listens on any more is replaced.
    pub fn listen(&self, port: u32) -> Result<Listener, LinkError> {
        let path = self.socket(port);
        remove_stale(&path)?;
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok(Listener(listener))
    }

    fn socket(&self, port: u32) -> PathBuf {
        let Self::Unix(folder) = self;
        folder.join(format!("{port}.sock"))
    }
}

/// Accepts streams of one port.
#[derive(Debug)]
pub struct Listener(UnixListener);

impl Listener {
    /// The next stream.
    pub async fn accept(&self) -> io::Result<Stream> {
        self.0.accept().await.map(|(stream, _)| stream)
    }
}

fn remove_stale(path: &Path) -> io::Result<()> {
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(_) => match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        },
    }
}
