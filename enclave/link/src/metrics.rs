//! Metrics: the enclave answers a connection with four bytes length (most significant first) and Prometheus text.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::LinkError;

/// The text, bytes, at most.
pub const MAX_TEXT: usize = 256 * 1024;

/// Sends the text.
pub async fn send(text: &str, stream: &mut (impl AsyncWrite + Unpin)) -> Result<(), LinkError> {
    let length = u32::try_from(text.len()).map_err(|_| LinkError::TooLong { what: "metrics", limit: MAX_TEXT })?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(text.as_bytes()).await?;
    Ok(stream.flush().await?)
}

/// Receives the text.
pub async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> Result<String, LinkError> {
    let what = "metrics";
    let length = stream.read_u32().await.map_err(|_| LinkError::Closed { what })? as usize;
    if length > MAX_TEXT {
        return Err(LinkError::TooLong { what, limit: MAX_TEXT });
    }
    let mut text = vec![0; length];
    stream.read_exact(&mut text).await.map_err(|_| LinkError::Closed { what })?;
    String::from_utf8(text).map_err(|_| LinkError::Malformed { what })
}
