//! Journal: receipts in order, from the enclave to the host, acknowledged once they are safe.
//!
//! A frame is one byte kind, four bytes length of the body (most significant first), body.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::LinkError;

/// The version that [`Hello`] carries.
pub const VERSION: u8 = 1;
/// A frame's body, bytes, at most.
pub const MAX_BODY: usize = 32 * 1024;

const HELLO: u8 = 1;
const RECEIPT: u8 = 2;
const WELCOME: u8 = 3;
const ACK: u8 = 4;
const FAILED: u8 = 5;

/// What the enclave says first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The enclave's instance.
    pub instance: [u8; 16],
    /// The lowest position that the enclave still holds.
    pub first: u64,
    /// The encoded node statement.
    pub statement: Vec<u8>,
}

/// From enclave to host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromEnclave {
    /// Who speaks.
    Hello(Hello),
    /// A receipt.
    Receipt {
        /// Position in the instance's chain.
        seq: u64,
        /// The signed bytes.
        bytes: Vec<u8>,
    },
}

/// From host to enclave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FromHost {
    /// The next position that the host wants of this instance.
    Welcome {
        /// That position.
        next: u64,
    },
    /// Everything up to and including this position is safe.
    Ack {
        /// That position.
        seq: u64,
    },
    /// Storage failed: nothing is safe until a new welcome.
    Failed,
}

impl FromEnclave {
    /// Kind, length, body.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Hello(hello) => {
                frame(HELLO, &[&[VERSION], &hello.instance, &hello.first.to_be_bytes(), &hello.statement])
            }
            Self::Receipt { seq, bytes } => frame(RECEIPT, &[&seq.to_be_bytes(), bytes]),
        }
    }

    /// Reads a frame's kind and body.
    pub fn decode(kind: u8, body: &[u8]) -> Result<Self, LinkError> {
        let malformed = LinkError::Malformed { what: "journal frame" };
        match (kind, body) {
            (HELLO, [VERSION, rest @ ..]) => {
                let (instance, rest) = rest.split_first_chunk().ok_or(malformed)?;
                let (first, statement) =
                    rest.split_first_chunk().ok_or(LinkError::Malformed { what: "journal frame" })?;
                let (instance, first) = (*instance, u64::from_be_bytes(*first));
                Ok(Self::Hello(Hello { instance, first, statement: statement.to_vec() }))
            }
            (RECEIPT, body) => {
                let (seq, bytes) = body.split_first_chunk().ok_or(malformed)?;
                Ok(Self::Receipt { seq: u64::from_be_bytes(*seq), bytes: bytes.to_vec() })
            }
            _ => Err(malformed),
        }
    }

    /// Receives one; `None` when the stream ended between frames.
    pub async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<Self>, LinkError> {
        receive(stream).await?.map(|(kind, body)| Self::decode(kind, &body)).transpose()
    }

    /// Sends it.
    pub async fn send(&self, stream: &mut (impl AsyncWrite + Unpin)) -> Result<(), LinkError> {
        stream.write_all(&self.encode()).await?;
        Ok(stream.flush().await?)
    }
}

impl FromHost {
    /// Kind, length, body.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Welcome { next } => frame(WELCOME, &[&next.to_be_bytes()]),
            Self::Ack { seq } => frame(ACK, &[&seq.to_be_bytes()]),
            Self::Failed => frame(FAILED, &[]),
        }
    }

    /// Reads a frame's kind and body.
    pub fn decode(kind: u8, body: &[u8]) -> Result<Self, LinkError> {
        match (kind, <[u8; 8]>::try_from(body)) {
            (WELCOME, Ok(next)) => Ok(Self::Welcome { next: u64::from_be_bytes(next) }),
            (ACK, Ok(seq)) => Ok(Self::Ack { seq: u64::from_be_bytes(seq) }),
            (FAILED, _) if body.is_empty() => Ok(Self::Failed),
            _ => Err(LinkError::Malformed { what: "journal frame" }),
        }
    }

    /// Receives one; `None` when the stream ended between frames.
    pub async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<Self>, LinkError> {
        receive(stream).await?.map(|(kind, body)| Self::decode(kind, &body)).transpose()
    }

    /// Sends it.
    pub async fn send(&self, stream: &mut (impl AsyncWrite + Unpin)) -> Result<(), LinkError> {
        stream.write_all(&self.encode()).await?;
        Ok(stream.flush().await?)
    }
}

fn frame(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut bytes = Vec::with_capacity(5 + length);
    bytes.push(kind);
    bytes.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes
}

async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<(u8, Vec<u8>)>, LinkError> {
    let what = "journal frame";
    let kind = match stream.read_u8().await {
        Ok(kind) => kind,
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let length = stream.read_u32().await.map_err(|_| LinkError::Closed { what })? as usize;
    if length > MAX_BODY {
        return Err(LinkError::TooLong { what, limit: MAX_BODY });
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.map_err(|_| LinkError::Closed { what })?;
    Ok(Some((kind, body)))
}
