//! The model feed: the enclave names a model by digest and size, the host answers `ok` and its bytes, or `unknown`.
//! What comes is hashed by the enclave; this protocol vouches for nothing.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::LinkError;

/// A model file, bytes, at most (4 TiB).
pub const MAX_MODEL: u64 = 1 << 42;
/// Longest request line without its end: digest, space, size.
const MAX_REQUEST: usize = 64 + 1 + 13;
/// Longest answer line without its end.
const MAX_ANSWER: usize = 7;

/// Which model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// SHA-256 of the whole file.
    pub sha256: [u8; 32],
    /// Its size, bytes.
    pub size: u64,
}

impl Request {
    /// The line, without its end.
    pub fn to_line(&self) -> String {
        format!("{} {}", hex::encode(self.sha256), self.size)
    }

    /// Reads a line, without its end; there is one spelling of each request.
    ///
    /// # Errors
    /// [`LinkError::Malformed`].
    pub fn parse(line: &[u8]) -> Result<Self, LinkError> {
        let request = (|| {
            let (digest, rest) = line.split_at_checked(64)?;
            let size = str::from_utf8(rest.strip_prefix(b" ")?).ok()?;
            Some(Self { sha256: unhex(digest)?, size: size.parse().ok()? })
        })();
        match request {
            Some(request) if (1..=MAX_MODEL).contains(&request.size) && request.to_line().as_bytes() == line => {
                Ok(request)
            }
            _ => Err(LinkError::Malformed { what: "model request" }),
        }
    }

    /// Enclave: asks for the model. Once this returns, exactly [`Request::size`] bytes follow on the stream.
    ///
    /// # Errors
    /// [`LinkError::UnknownModel`] when the host does not have it; others for a broken stream.
    pub async fn ask<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut S) -> Result<(), LinkError> {
        stream.write_all(format!("{}\n", self.to_line()).as_bytes()).await?;
        stream.flush().await?;
        match read_line::<_, MAX_ANSWER>(stream, "model answer").await?.as_slice() {
            b"ok" => Ok(()),
            b"unknown" => Err(LinkError::UnknownModel),
            _ => Err(LinkError::Malformed { what: "model answer" }),
        }
    }

    /// Host: reads a request.
    ///
    /// # Errors
    /// [`LinkError`] for anything but one request line.
    pub async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Self, LinkError> {
        Self::parse(&read_line::<_, MAX_REQUEST>(stream, "model request").await?)
    }
}

/// Host: answers a request; when `known`, the bytes must follow.
///
/// # Errors
/// [`LinkError::Io`].
pub async fn answer<S: AsyncWrite + Unpin>(stream: &mut S, known: bool) -> Result<(), LinkError> {
    stream.write_all(if known { b"ok\n" } else { b"unknown\n" }).await?;
    Ok(stream.flush().await?)
}

/// One byte at a time, since what follows the line belongs to somebody else.
pub(crate) async fn read_line<S: AsyncRead + Unpin, const MAX: usize>(
    stream: &mut S,
    what: &'static str,
) -> Result<Vec<u8>, LinkError> {
    let mut line = Vec::with_capacity(MAX);
    loop {
        let mut byte = [0];
        if stream.read(&mut byte).await? == 0 {
            return Err(LinkError::Truncated);
        }
        match byte[0] {
            b'\n' => return Ok(line),
            _ if line.len() == MAX => {
                return Err(LinkError::Length { what, expected: "a short line", actual: MAX as u64 + 1 });
            }
            other => line.push(other),
        }
    }
}

/// Lower-case hex of exactly `N` bytes.
pub(crate) fn unhex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let lower = text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (lower && hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(bytes)
}
