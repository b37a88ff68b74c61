//! Proofs of inclusion: a receipt is at its place in a tree (RFC 6962 §2.1.1).

use alloc::vec::Vec;

use super::tree::{leaf, node, range, split};
use super::{MAX_PATH, MAX_SIZE};
use crate::Digest;

/// Returns the root of the tree of `size` entries in which `path` leads from entry `index` upwards (RFC 9162 §2.1.3.2).
///
/// Returns `None` if there is no such tree: the index is not below the size, or the path has another length.
pub fn root(index: u64, size: u64, entry: &Digest, path: &[Digest]) -> Option<Digest> {
    if index >= size || size > MAX_SIZE || path.len() > MAX_PATH {
        return None;
    }
    let (mut position, mut last) = (index, size - 1);
    let mut hash = leaf(entry);
    for sibling in path {
        if last == 0 {
            return None;
        }
        if position & 1 == 1 || position == last {
            hash = node(sibling, &hash);
            while position & 1 == 0 && position != 0 {
                position >>= 1;
                last >>= 1;
            }
        } else {
            hash = node(&hash, sibling);
        }
        position >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(hash)
}

/// Returns the path of entry `index` in the tree of `size` entries, from the leaf upwards. It is empty if the index is not
/// below the size.
///
/// `read(level, index)` returns the hash of a complete subtree: that of the entries `index << level` up to, not including,
/// `(index + 1) << level`.
///
/// # Errors
/// Those of `read`.
pub fn prove<E>(index: u64, size: u64, mut read: impl FnMut(u8, u64) -> Result<Digest, E>) -> Result<Vec<Digest>, E> {
    let (mut start, mut end) = (0, size);
    let mut siblings = Vec::new();
    while end - start > 1 && index < size {
        let middle = start + split(end - start);
        if index < middle {
            siblings.push((middle, end));
            end = middle;
        } else {
            siblings.push((start, middle));
            start = middle;
        }
    }
    siblings.into_iter().rev().map(|(start, end)| range(start, end, &mut read)).collect()
}
