//! Where the other side is: Unix sockets on the simulated platform, virtual sockets between a machine and its guest, and
//! Unix sockets that stand for a guest's virtual ones.

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

/// One link, all of its ports.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// A directory with one socket a port, `443.sock` and so on.
    Unix(PathBuf),
    /// Virtual sockets (vsock(7)); the context id of the other side.
    Vsock(u32),
    /// Unix sockets that stand for a guest's virtual ones, as vhost-device-vsock has them: connections to the guest begin at this
    /// path, and those of the guest come to this path, `_` and the port.
    Vhost(PathBuf),
}

impl Address {
    /// Reads `unix:DIRECTORY`, `vsock:CID` or `vhost:PATH`.
    ///
    /// # Errors
    /// [`LinkError::Address`] for anything else.
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        let (kind, rest) = text.split_once(':').ok_or(LinkError::Address)?;
        let path = || if rest.is_empty() || rest.contains('\0') { None } else { Some(PathBuf::from(rest)) };
        // One number has one form.
        let cid = || rest.parse::<u32>().ok().filter(|cid| cid.to_string() == rest);
        let address = match kind {
            "unix" => path().map(Self::Unix),
            "vsock" => cid().map(Self::Vsock),
            "vhost" => path().map(Self::Vhost),
            _ => None,
        };
        address.ok_or(LinkError::Address)
    }

    /// Connects to `port`, waiting at most `within`.
    ///
    /// # Errors
    /// [`LinkError::Io`] when nobody listens, [`LinkError::ConnectTimeout`].
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

    /// Listens on `port`; a socket left there by an earlier process is removed first. Only the same user may connect, and of
    /// other machines only the other side.
    /// Call it inside a tokio runtime.
    ///
    /// # Errors
    /// [`LinkError::Io`]; also when something that is no socket is in the way, which is left alone.
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

/// An answer of the device, bytes, at most.
const MAX_ANSWER: usize = 32;

/// Asks the device for the guest's port (vhost-device-vsock, "Examples"): `CONNECT PORT`, and then it says `OK` and a number.
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
