//! Messages that are read one by one from a stream.

use std::marker::PhantomData;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::LinkError;

/// A message whose encoding shows where it ends.
pub trait Frame: Sized {
    /// Takes the first whole message off `buffer`. Returns `None` if more bytes are needed.
    ///
    /// # Errors
    /// [`LinkError`] as soon as the bytes cannot become a message. The rest of the stream must not be read.
    fn take(buffer: &mut BytesMut) -> Result<Option<Self>, LinkError>;

    /// Appends the message in its only encoding.
    fn put(&self, buffer: &mut Vec<u8>);

    /// Returns the message in its only encoding.
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

/// Bytes requested in one read.
const READ: usize = 64 * 1024;

impl<T: Frame, R: AsyncRead + Unpin> Frames<T, R> {
    /// Reads from `reader`.
    pub fn new(reader: R) -> Self {
        Self { reader, buffer: BytesMut::new(), kind: PhantomData }
    }

    /// Returns the next message, or `None` if the other side has closed between two messages. Cancel safe.
    ///
    /// # Errors
    /// [`LinkError`]. The stream cannot be used afterwards.
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

    /// Returns a message that has already arrived whole. Does not wait.
    ///
    /// # Errors
    /// The same as [`Frames::next`].
    pub fn buffered(&mut self) -> Result<Option<T>, LinkError> {
        T::take(&mut self.buffer)
    }
}
