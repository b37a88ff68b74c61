//! Metrics: the host connects, the enclave writes a length (u32, big-endian) and Prometheus text of that length.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::LinkError;

/// Maximum length of the text, bytes.
pub const MAX_TEXT: usize = 1024 * 1024;

/// Enclave: writes the text, then closes its direction of the stream.
///
/// # Errors
/// [`LinkError::Length`] if the text is longer than [`MAX_TEXT`], [`LinkError::Io`].
pub async fn write<S: AsyncWrite + Unpin>(stream: &mut S, text: &str) -> Result<(), LinkError> {
    let length = u32::try_from(check(text.len())?).map_err(|_| LinkError::Malformed { what: "metrics" })?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(text.as_bytes()).await?;
    Ok(stream.shutdown().await?)
}

/// Host: reads the text. Refuses control characters other than line ends, because the text goes to a terminal.
///
/// # Errors
/// [`LinkError`] if the stream does not hold one text of at most [`MAX_TEXT`] bytes.
pub async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Result<String, LinkError> {
    let mut bytes = vec![0; check(stream.read_u32().await? as usize)?];
    stream.read_exact(&mut bytes).await?;
    match String::from_utf8(bytes) {
        Ok(text) if !text.chars().any(|c| c.is_control() && c != '\n') => Ok(text),
        _ => Err(LinkError::Malformed { what: "metrics" }),
    }
}

fn check(length: usize) -> Result<usize, LinkError> {
    match length {
        0..=MAX_TEXT => Ok(length),
        _ => Err(LinkError::Length { what: "metrics", expected: "1 MiB at most", actual: length as u64 }),
    }
}
