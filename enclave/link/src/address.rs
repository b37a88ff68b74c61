//! The address of the other side: Unix sockets on the simulated platform, virtual sockets between a machine and its guest,
//! or Unix sockets that a device maps to a guest's virtual sockets.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use crate::LinkError;
use crate::port::Port;
use crate::stream::{Listener, Stream};
use crate::vsock;

/// The address of one link. All of its ports share it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// A directory with one socket for each port, for example `443.sock`.
    Unix(PathBuf),
    /// Virtual sockets (vsock(7)), with the context id of the other side.
    Vsock(u32),
    /// Unix sockets that vhost-device-vsock maps to a guest's virtual sockets. Connections to the guest start at this path.
    /// Connections from the guest arrive at this path followed by `_` and the port.
    Vhost(PathBuf),
}

impl Address {
    /// Reads `unix:DIRECTORY`, `vsock:CID` or `vhost:PATH`.
    ///
    /// # Errors
    /// Returns [`LinkError::Address`] for any other text.
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        let (kind, rest) = text.split_once(':').ok_or(LinkError::Address)?;
        let path = || if rest.is_empty() || rest.contains('\0') { None } else { Some(PathBuf::from(rest)) };
        // Each number has exactly one spelling.
        let cid = || rest.parse::<u32>().ok().filter(|cid| cid.to_string() == rest);
        let address = match kind {
            "unix" => path().map(Self::Unix),
            "vsock" => cid().map(Self::Vsock),
            "vhost" => path().map(Self::Vhost),
            _ => None,
        };
        address.ok_or(LinkError::Address)
    }

    /// Connects to `port` and waits at most `within`.
    ///
    /// # Errors
    /// [`LinkError::Io`] if no process listens there, [`LinkError::ConnectTimeout`] if it takes too long.
    pub async fn connect(&self, port: Port, within: Duration) -> Result<Stream, LinkError> {
        let connected = async {
            Ok::<_, io::Error>(match self {
                Self::Unix(directory) => Stream::unix(UnixStream::connect(socket(directory, port)).await?)?,
                Self::Vsock(cid) => vsock::connect(*cid, port.number()).await?.into(),
                Self::Vhost(path) => Stream::unix(through(UnixStream::connect(path).await?, port).await?)?,
            })
        };
        match timeout(within, connected).await {
            Ok(stream) => Ok(stream?),
            Err(_) => Err(LinkError::ConnectTimeout { port }),
        }
    }

    /// Listens on `port`. Removes a socket that an earlier process left there. Only the same user can connect; on virtual
    /// sockets, only the other side of the link. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`LinkError::Io`], also if a file that is not a socket has this name. That file is kept.
    pub fn listen(&self, port: Port) -> Result<Listener, LinkError> {
        let path = match self {
            Self::Unix(directory) => socket(directory, port),
            Self::Vsock(cid) => return Ok(vsock::Listener::bind(*cid, port.number())?.into()),
            Self::Vhost(path) => {
                let mut path = path.clone().into_os_string();
                path.push(format!("_{}", port.number()));
                path.into()
            }
        };
        match fs::symlink_metadata(&path) {
            Ok(found) if found.file_type().is_socket() => fs::remove_file(&path)?,
            Ok(_) => return Err(io::Error::from(io::ErrorKind::AlreadyExists).into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok(listener.into())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(directory) => write!(f, "unix:{}", directory.display()),
            Self::Vsock(cid) => write!(f, "vsock:{cid}"),
            Self::Vhost(path) => write!(f, "vhost:{}", path.display()),
        }
    }
}

fn socket(directory: &Path, port: Port) -> PathBuf {
    directory.join(format!("{}.sock", port.number()))
}

/// Maximum length of the device's answer, bytes.
const MAX_ANSWER: usize = 32;

/// Asks the device for a port of the guest: writes `CONNECT PORT`, expects `OK` and a number (vhost-device-vsock,
/// "Examples").
async fn through(mut stream: UnixStream, port: Port) -> io::Result<UnixStream> {
    stream.write_all(format!("CONNECT {}\n", port.number()).as_bytes()).await?;
    let mut answer = Vec::new();
    while answer.last() != Some(&b'\n') {
        if answer.len() == MAX_ANSWER {
            return Err(io::ErrorKind::InvalidData.into());
        }
        answer.push(stream.read_u8().await.map_err(|_| io::ErrorKind::ConnectionRefused)?);
    }
    match answer.starts_with(b"OK ") {
        true => Ok(stream),
        false => Err(io::ErrorKind::ConnectionRefused.into()),
    }
}
