use std::marker::PhantomData;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::LinkError;

/// A message that can be told from the bytes behind it.
pub trait Frame: Sized {
    /// Takes the first whole message off `buffer`; `None` when more bytes are needed.
    ///
    /// # Errors
    /// [`LinkError`] as soon as the bytes can no longer become a message; nothing after that has a meaning.
    fn take(buffer: &mut BytesMut) -> Result<Option<Self>, LinkError>;

    /// Appends the message's only encoding.
    fn put(&self, buffer: &mut Vec<u8>);

    /// The message's only encoding.
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.put(&mut bytes);
        bytes
    }
}

/// Reads messages of one kind from a stream.
#[derive(Debug)]
pub struct Frames<T, R> {
    reader: R,
    buffer: BytesMut,
    kind: PhantomData<fn() -> T>,
}

/// Bytes asked for in one read.
const READ: usize = 64 * 1024;

impl<T: Frame, R: AsyncRead + Unpin> Frames<T, R> {
    /// Reads from `reader`.
    pub fn new(reader: R) -> Self {
        Self { reader, buffer: BytesMut::new(), kind: PhantomData }
    }

    /// The next message; `None` when the other side has closed between two messages. Cancel safe.
    ///
    /// # Errors
    /// [`LinkError`]; the stream is of no use afterwards.
    pub async fn next(&mut self) -> Result<Option<T>, LinkError> {
        loop {
            if let Some(message) = self.buffered()? {
                return Ok(Some(message));
            }
            self.buffer.reserve(READ);
            if self.reader.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(LinkError::Truncated) };
            }
        }
    }

    /// A message that has already been read whole, without waiting.
    ///
    /// # Errors
    /// As [`Frames::next`].
    pub fn buffered(&mut self) -> Result<Option<T>, LinkError> {
        T::take(&mut self.buffer)
    }
}
