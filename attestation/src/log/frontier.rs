//! The frontier: what a log keeps in memory to grow and to give its root.

use alloc::vec::Vec;

use super::tree::{empty_root, leaf, node};
use super::{MAX_PATH, MAX_SIZE};
use crate::Digest;

/// The roots of the complete subtrees that make up a tree, the largest first: one for each bit that is set in its size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Digest>,
}

/// The log is as large as a log can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log is full")]
pub struct Full;

impl Frontier {
    /// Returns the frontier of a tree without leaves.
    pub fn new() -> Self {
        Self { size: 0, peaks: Vec::with_capacity(MAX_PATH) }
    }

    /// Appends the entry of number [`size`](Self::size).
    ///
    /// # Errors
    /// [`Full`] at [`MAX_SIZE`] entries.
    pub fn push(&mut self, entry: &Digest) -> Result<(), Full> {
        if self.size >= MAX_SIZE {
            return Err(Full);
        }
        let mut hash = leaf(entry);
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
        Ok(())
    }

    /// Returns the number of entries.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns the root of the tree.
    pub fn root(&self) -> Digest {
        let right_to_left = self.peaks.iter().rev().copied();
        right_to_left.reduce(|right, left| node(&left, &right)).unwrap_or_else(empty_root)
    }

    /// Returns the path that proves the next entry in the tree that ends with it, from the leaf upwards.
    pub fn path_of_next(&self) -> Vec<Digest> {
        self.peaks.iter().rev().copied().collect()
    }
}

impl Default for Frontier {
    fn default() -> Self {
        Self::new()
    }
}
