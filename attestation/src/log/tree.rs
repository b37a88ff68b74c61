//! Hashes of the tree (RFC 6962 §2.1), over SHA-256.

use sha2::{Digest as _, Sha256};

use crate::Digest;

/// Returns the root of a tree without leaves: SHA-256 of no bytes.
pub fn empty_root() -> Digest {
    Digest::of(&[])
}

/// Returns the hash of a leaf: SHA-256(0x00 ‖ entry). The entry is a receipt's digest.
pub fn leaf(entry: &Digest) -> Digest {
    Digest(Sha256::new().chain_update([0]).chain_update(entry.0).finalize().into())
}

/// Returns the hash of an inner node: SHA-256(0x01 ‖ left ‖ right).
pub fn node(left: &Digest, right: &Digest) -> Digest {
    Digest(Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0).finalize().into())
}

/// Returns the root of a complete subtree from the hashes of one of its levels, from left to right.
///
/// Returns `None` unless there are 1, 2, 4, 8, … hashes.
pub fn complete(hashes: &[Digest]) -> Option<Digest> {
    match hashes {
        [hash] => Some(*hash),
        _ if hashes.len().is_power_of_two() => {
            let (left, right) = hashes.split_at(hashes.len() / 2);
            Some(node(&complete(left)?, &complete(right)?))
        }
        _ => None,
    }
}

/// Returns the hash over the leaves `start..end` of a tree; `start..end` is a range at which RFC 6962 splits the tree.
///
/// `read` returns the hash of a complete subtree: that of the leaves `index << level .. (index + 1) << level`.
///
/// # Errors
/// Those of `read`.
pub(super) fn range<E>(start: u64, end: u64, read: &mut impl FnMut(u8, u64) -> Result<Digest, E>) -> Result<Digest, E> {
    let count = end - start;
    if count == 0 {
        return Ok(empty_root());
    }
    if count.is_power_of_two() {
        return read(level(count), start >> level(count));
    }
    let middle = start + split(count);
    Ok(node(&range(start, middle, read)?, &range(middle, end, read)?))
}

/// Returns the root of a tree of `size` leaves. `read` is as in [`inclusion::prove`](super::inclusion::prove).
///
/// # Errors
/// Those of `read`.
pub fn root<E>(size: u64, mut read: impl FnMut(u8, u64) -> Result<Digest, E>) -> Result<Digest, E> {
    range(0, size, &mut read)
}

/// Returns how many of `count` leaves, at least two, are to the left: the largest power of two below `count`.
pub(super) fn split(count: u64) -> u64 {
    1 << (63 - (count - 1).leading_zeros())
}

/// Returns the level of a complete subtree of `count` leaves.
fn level(count: u64) -> u8 {
    // safe: at most 63
    u8::try_from(count.trailing_zeros()).expect("at most 63")
}
