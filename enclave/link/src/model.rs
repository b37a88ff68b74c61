//! Model feed: the enclave names a file by digest and size, the host sends it.

use tokio::io::{AsyncBufRead, AsyncWrite, AsyncWriteExt};

use crate::{LinkError, line};

/// A request line, bytes, at most: 64 hex digits, a space, 20 decimal digits, LF.
pub const MAX_REQUEST: usize = 64 + 1 + 20 + 1;
/// An answer line, bytes, at most.
pub const MAX_ANSWER: usize = 8;

/// The file that the enclave wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// SHA-256 of the whole file.
    pub sha256: [u8; 32],
    /// Its size, bytes.
    pub size: u64,
}

/// What the host answers before the first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The file's bytes follow, all of them.
    Ok,
    /// The host has no such file.
    Unknown,
}

impl Request {
    /// The line.
    pub fn encode(&self) -> String {
        format!("{} {}\n", hex::encode(self.sha256), self.size)
    }

    /// Reads a line without its LF: lower-case hex, a space, decimal digits without leading zeros.
    pub fn decode(line: &[u8]) -> Result<Self, LinkError> {
        let parse = || {
            let (digest, size) = std::str::from_utf8(line).ok()?.split_once(' ')?;
            let mut sha256 = [0; 32];
            hex::decode_to_slice(digest, &mut sha256).ok()?;
            Some(Self { sha256, size: size.parse().ok()? })
        };
        parse()
            .filter(|request| request.encode().strip_suffix('\n').map(str::as_bytes) == Some(line))
            .ok_or(LinkError::Malformed { what: "model request" })
    }

    /// Sends it.
    pub async fn send(&self, stream: &mut (impl AsyncWrite + Unpin)) -> Result<(), LinkError> {
        stream.write_all(self.encode().as_bytes()).await?;
        Ok(stream.flush().await?)
    }

    /// Receives one.
    pub async fn receive(stream: &mut (impl AsyncBufRead + Unpin)) -> Result<Self, LinkError> {
        let what = "model request";
        let line = line::read(stream, what, MAX_REQUEST).await?.ok_or(LinkError::Closed { what })?;
        Self::decode(&line)
    }
}

impl Answer {
    /// The line.
    pub fn encode(self) -> &'static str {
        match self {
            Self::Ok => "ok\n",
            Self::Unknown => "unknown\n",
        }
    }

    /// Sends it.
    pub async fn send(self, stream: &mut (impl AsyncWrite + Unpin)) -> Result<(), LinkError> {
        stream.write_all(self.encode().as_bytes()).await?;
        Ok(stream.flush().await?)
    }

    /// Receives one; the file's bytes follow on the same reader.
    pub async fn receive(stream: &mut (impl AsyncBufRead + Unpin)) -> Result<Self, LinkError> {
        let what = "model answer";
        match line::read(stream, what, MAX_ANSWER).await?.ok_or(LinkError::Closed { what })?.as_slice() {
            b"ok" => Ok(Self::Ok),
            b"unknown" => Ok(Self::Unknown),
            _ => Err(LinkError::Malformed { what }),
        }
    }
}
