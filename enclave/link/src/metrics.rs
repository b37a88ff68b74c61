//! Metrics: the host connects, the enclave writes one length (u32, big-endian) and that much Prometheus text.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::LinkError;

/// The text, bytes, at most.
pub const MAX_TEXT: usize = 1024 * 1024;

/// Enclave: writes the text and closes its direction.
///
/// # Errors
/// [`LinkError::Length`] when it is over [`MAX_TEXT`]; [`LinkError::Io`].
pub async fn write<S: AsyncWrite + Unpin>(stream: &mut S, text: &str) -> Result<(), LinkError> {
    let length = u32::try_from(check(text.len())?).map_err(|_| LinkError::Malformed { what: "metrics" })?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(text.as_bytes()).await?;
    Ok(stream.shutdown().await?)
}

/// Host: reads the text. Control characters other than line ends are refused: it goes to a terminal.
///
/// # Errors
/// [`LinkError`] for anything but one text of at most [`MAX_TEXT`] bytes.
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
