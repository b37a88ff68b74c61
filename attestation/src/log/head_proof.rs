//! A head and the path to one receipt: what a contract needs, and what a node gives a caller who asks for it.

use alloc::vec::Vec;

use super::head::{self, SignedHead};
use super::{MAX_PATH, inclusion};
use crate::{Digest, FormatError};

/// Maximum bytes of an encoded proof.
pub const MAX_BYTES: usize = head::BYTES + MAX_PATH * HASH;
const HASH: usize = 32;

/// Proves one receipt under a head. The signature is **not yet verified**. The receipt's `seq` is its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadProof {
    head: SignedHead,
    path: Vec<Digest>,
}

impl HeadProof {
    /// Joins a head and a path from the leaf upwards.
    ///
    /// # Errors
    /// [`FormatError::OutOfRange`] for more than [`MAX_PATH`] hashes.
    pub fn new(head: SignedHead, path: Vec<Digest>) -> Result<Self, FormatError> {
        match path.len() <= MAX_PATH {
            true => Ok(Self { head, path }),
            false => Err(FormatError::OutOfRange { field: "path", expected: "at most 40 hashes" }),
        }
    }

    /// The head. Do not trust it before you verify the signature.
    pub fn head(&self) -> &SignedHead {
        &self.head
    }

    /// The path, from the leaf upwards.
    pub fn path(&self) -> &[Digest] {
        &self.path
    }

    /// Returns true if the path leads from this entry, at this place, to the head's root.
    pub fn proves(&self, seq: u64, entry: &Digest) -> bool {
        let head = self.head.head();
        inclusion::root(seq, head.size(), entry, &self.path) == Some(head.root())
    }

    /// Encodes as the head's 146 bytes and the path, 32 bytes for each hash.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.head.encode().to_vec();
        self.path.iter().for_each(|hash| bytes.extend_from_slice(&hash.0));
        bytes
    }

    /// Decodes a proof. Does not verify the signature.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let (head, path) = bytes.split_at_checked(head::BYTES).ok_or(FormatError::Truncated { offset: 0 })?;
        let (hashes, rest) = path.as_chunks::<HASH>();
        if !rest.is_empty() {
            return Err(FormatError::Trailing { count: rest.len() });
        }
        Self::new(SignedHead::decode(head)?, hashes.iter().map(|hash| Digest(*hash)).collect())
    }
}
