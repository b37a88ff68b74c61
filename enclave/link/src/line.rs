use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

use crate::LinkError;

/// Reads one line of at most `limit` bytes, its LF included; `None` when the stream ended before it.
pub(crate) async fn read(
    stream: &mut (impl AsyncBufRead + Unpin),
    what: &'static str,
    limit: usize,
) -> Result<Option<Vec<u8>>, LinkError> {
    let mut line = Vec::new();
    stream.take(limit as u64).read_until(b'\n', &mut line).await?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) if line.len() + 1 == limit => Err(LinkError::TooLong { what, limit }),
        Some(_) => Err(LinkError::Closed { what }),
    }
}
