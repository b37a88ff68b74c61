//! Proofs of consistency: a tree begins with all entries of an earlier one (RFC 6962 §2.1.2).

use alloc::vec::Vec;

use super::tree::{empty_root, node, range, split};
use super::{MAX_PATH, MAX_SIZE};
use crate::Digest;

/// Size and root of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeState {
    /// Number of entries.
    pub size: u64,
    /// Root.
    pub root: Digest,
}

/// Returns true if `path` proves that `new` begins with all entries of `old` (RFC 9162 §2.1.4.2).
///
/// For equal sizes the path is empty and the roots are equal. For an empty `old` the path is empty, too.
pub fn holds(old: &TreeState, new: &TreeState, path: &[Digest]) -> bool {
    if old.size > new.size || new.size > MAX_SIZE || path.len() > MAX_PATH + 1 {
        return false;
    }
    if old.size == new.size {
        return path.is_empty() && old.root == new.root && (old.size != 0 || old.root == empty_root());
    }
    if old.size == 0 {
        return path.is_empty() && old.root == empty_root();
    }
    // A tree of a power of two is itself the first subtree, which the path then leaves out.
    let (first, rest) = match path.split_first() {
        _ if old.size.is_power_of_two() => (&old.root, path),
        Some(parts) => parts,
        None => return false,
    };
    let (mut position, mut last) = (old.size - 1, new.size - 1);
    while position & 1 == 1 {
        position >>= 1;
        last >>= 1;
    }
    let (mut of_old, mut of_new) = (*first, *first);
    for sibling in rest {
        if last == 0 {
            return false;
        }
        if position & 1 == 1 || position == last {
            of_old = node(sibling, &of_old);
            of_new = node(sibling, &of_new);
            while position & 1 == 0 && position != 0 {
                position >>= 1;
                last >>= 1;
            }
        } else {
            of_new = node(&of_new, sibling);
        }
        position >>= 1;
        last >>= 1;
    }
    last == 0 && of_old == old.root && of_new == new.root
}

/// Returns the path that proves the tree of `new` entries against the tree of its first `old` entries. It is empty if no
/// path is needed, and if `old` is the larger.
///
/// `read` is as in [`inclusion::prove`](super::inclusion::prove).
///
/// # Errors
/// Those of `read`.
pub fn prove<E>(old: u64, new: u64, mut read: impl FnMut(u8, u64) -> Result<Digest, E>) -> Result<Vec<Digest>, E> {
    if old == 0 || old >= new {
        return Ok(Vec::new());
    }
    let (mut start, mut end) = (0, new);
    let mut siblings = Vec::new();
    while end != old {
        let middle = start + split(end - start);
        if old <= middle {
            siblings.push((middle, end));
            end = middle;
        } else {
            siblings.push((start, middle));
            start = middle;
        }
    }
    if start != 0 {
        siblings.push((start, end));
    }
    siblings.into_iter().rev().map(|(start, end)| range(start, end, &mut read)).collect()
}
