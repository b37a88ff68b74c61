//! The model feed: the enclave names a model by digest and size, the host answers `ok` and the bytes, or `unknown`.
//!
//! The enclave hashes what it receives; this protocol guarantees nothing about the bytes.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::LinkError;

/// Maximum size of a model file, bytes (4 TiB).
pub const MAX_MODEL: u64 = 1 << 42;
/// Maximum length of a request line (digest, space, size) without the line end.
const MAX_REQUEST: usize = 64 + 1 + 13;
/// Maximum length of an answer line without the line end.
const MAX_ANSWER: usize = 7;

/// A request for a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// SHA-256 of the whole file.
    pub sha256: [u8; 32],
    /// Size of the file, bytes.
    pub size: u64,
}

impl Request {
    /// Returns the request line without the line end.
    pub fn to_line(&self) -> String {
        format!("{} {}", hex::encode(self.sha256), self.size)
    }

    /// Reads a request line without the line end. Each request has exactly one spelling.
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

    /// Enclave: asks for the model. After success exactly [`Request::size`] bytes follow on the stream.
    ///
    /// # Errors
    /// [`LinkError::UnknownModel`] if the host does not have the model, other errors for a broken stream.
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
    /// [`LinkError`] if the stream does not begin with one request line.
    pub async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Self, LinkError> {
        Self::parse(&read_line::<_, MAX_REQUEST>(stream, "model request").await?)
    }
}

/// Host: answers a request. If `known`, the bytes must follow.
///
/// # Errors
/// [`LinkError::Io`].
pub async fn answer<S: AsyncWrite + Unpin>(stream: &mut S, known: bool) -> Result<(), LinkError> {
    stream.write_all(if known { b"ok\n" } else { b"unknown\n" }).await?;
    Ok(stream.flush().await?)
}

/// Reads a line byte by byte, so that the bytes after it stay in the stream.
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

/// Decodes lower-case hex of exactly `N` bytes.
pub(crate) fn unhex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let lower = text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (lower && hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(bytes)
}
